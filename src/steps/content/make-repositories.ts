import { join } from 'node:path';
import { NightlyError } from '../../base/errors.ts';
import type { Task } from '../../base/task.ts';
import { ARCH } from '../../config/tag-pattern.ts';
import type { AssignedTag, ContentPlace } from '../../content/assign-tags.ts';
import type { Snapshot, SnapshotRpm } from '../../content/snapshot.ts';
import { type LaidOutRepository, layOut, type RepositoryKind } from '../../rpm/repository/layout.ts';
import { type MadeRepository, makeRepository } from '../../rpm/repository/make-repository.ts';
import type { PackageFile } from '../../rpm/repository/place-packages.ts';
import { repomdSigning } from '../../signing/repomd-signing.ts';
import type { Signer } from '../../signing/signer.ts';
import type { PooledPackage } from './package-pool.ts';

/** One repository of a tag. */
export interface TagRepository {
  /** `packages-x86_64`, `source-source` */
  readonly id: string;
  readonly kind: RepositoryKind;
  readonly arch: string;
  readonly target: string;
  /** Its folder on the target, relative to the root. */
  readonly folder: string;
  /** Here, absolute. */
  readonly local: string;
  readonly packages: readonly PackageFile[];
}

/**
 * Returns the repositories that the rule of a tag asks for, empty ones among them.
 * @param of.former architectures that the tag had once: clients and mirrors find an empty repository, not an old one
 */
export function tagRepositories(
  assigned: AssignedTag,
  { arches, former, wanted }: RepositoryContents,
  pool: ReadonlyMap<string, PooledPackage>,
  folder: string,
): TagRepository[] {
  const gone = layOut<SnapshotRpm>([], former).repositories.filter(({ kind }) => kind !== 'source');
  return [...layOut(wanted, arches).repositories, ...gone].flatMap((repository): TagRepository[] => {
    const place = placeOf(assigned, repository.kind);
    if (!place) return [];
    const { kind, arch } = repository;
    const id = `${kind}-${arch}`;
    return [
      {
        ...{ id, kind, arch, target: place.target, folder: place.path.replaceAll(`<${ARCH}>`, arch) },
        ...{ local: join(folder, 'repositories', id), packages: packagesOf(repository, pool) },
      },
    ];
  });
}

/** What the repositories of a tag are made of. */
export interface RepositoryContents {
  readonly arches: readonly string[];
  readonly former: readonly string[];
  readonly wanted: readonly SnapshotRpm[];
}

function placeOf({ packages, debuginfo, source }: AssignedTag, kind: RepositoryKind): ContentPlace | undefined {
  switch (kind) {
    case 'packages':
      return packages;
    case 'debuginfo':
      return debuginfo;
    case 'source':
      return source;
  }
}

function packagesOf({ rpms }: LaidOutRepository<SnapshotRpm>, pool: ReadonlyMap<string, PooledPackage>): PackageFile[] {
  return rpms.map(({ rpm, path }) => {
    const pooled = pool.get(rpm.payloadhash);
    if (pooled) return { path, ...pooled };
    throw new NightlyError('package-missing', `${rpm.file} is not among the packages that were fetched.`, {
      hint: 'Run the same command again: it is fetched then.',
    });
  });
}

/** Makes a repository and signs its metadata. The same packages give the same bytes, and change nothing. */
export async function makeTagRepository(
  { local, packages }: TagRepository,
  {
    signer,
    event,
    keepSeconds,
    now,
  }: { readonly signer: Signer; readonly event: Snapshot['event']; readonly keepSeconds: number; readonly now: number },
  task: Task,
): Promise<MadeRepository> {
  const signing = repomdSigning(signer, task);
  const revision = Math.floor(event.ts);
  return makeRepository(
    { folder: local, packages, memory: `${local}.json`, revision, signing, keepSeconds, now },
    task,
  );
}
