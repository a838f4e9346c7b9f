import { join } from 'node:path';
import { armoredKey } from '../../base/openpgp-packets.ts';
import type { Task } from '../../base/task.ts';
import type { SnapshotRpm } from '../../content/snapshot.ts';
import type { LogGate } from '../../publish/log/logged.ts';
import { type PublishedRpms, publishRpms } from '../../publish/rpms/publish-rpms.ts';
import { publishablePaths } from '../../publish/rpms/publishable-paths.ts';
import { type RpmsPlace, readPublishedNames } from '../../publish/rpms/published-names.ts';
import { settleSignature } from '../../publish/rpms/repomd-bridge.ts';
import { retireRpms } from '../../publish/rpms/retire-rpms.ts';
import { useAsClient } from '../../publish/rpms/use-as-client.ts';
import type { Target } from '../../targets/target.ts';
import type { TagRepository } from './make-repositories.ts';
import type { PooledPackage } from './package-pool.ts';

/** A repository with the target that it goes to. */
export interface PlacedRepository extends TagRepository {
  readonly place: RpmsPlace;
}

/** Returns a repository with its target. @param folder of the tag in the work folder */
export const placed = (repository: TagRepository, target: Target, folder: string): PlacedRepository => ({
  ...repository,
  place: { target, folder: repository.folder, memory: join(folder, 'targets', `${target.name}-${repository.id}.json`) },
});

/** Returns the repository with the paths that its packages can be published by: bytes under a published name never change (C4). */
export async function publishable(repository: PlacedRepository, now: number, task: Task): Promise<PlacedRepository> {
  const names = await readPublishedNames(repository.place, now, task);
  return { ...repository, packages: publishablePaths(repository.packages, [names]) };
}

export interface PushOptions {
  readonly log: LogGate;
  readonly scratch: string;
  readonly now: number;
  /** When the hub was asked what is in the tag, by its clock; seconds since the epoch. */
  readonly asOf?: number;
}

/** Sends what the target lacks, in the order in which readers can be there at any moment (C5). */
export async function pushRepository(
  { local, id, place: { target, folder, memory } }: PlacedRepository,
  { log, scratch, now, asOf }: PushOptions,
  task: Task,
): Promise<PublishedRpms> {
  const request = { repository: local, folder, dir: join(scratch, id), log, memory: { file: memory, now } };
  return publishRpms({ ...request, asOf, bridge: true }, target, task);
}

/** Takes the signature of the metadata of before away again, once nobody can be between the two any more. */
export async function settleRepository(
  { local, place: { target, folder } }: PlacedRepository,
  task: Task,
): Promise<void> {
  await settleSignature({ repository: local, folder }, target, task);
}

/** Uses a repository as a fresh host does: its metadata, and each package that is new in it (I6). */
export async function verifyRepository(
  { kind, arch, packages, place: { target, folder } }: PlacedRepository,
  {
    rpms,
    pool,
    key,
    gpgcheck,
  }: {
    readonly rpms: readonly SnapshotRpm[];
    readonly pool: ReadonlyMap<string, PooledPackage>;
    readonly key: Uint8Array;
    readonly gpgcheck: boolean;
  },
  task: Task,
): Promise<void> {
  const here = new Set(packages.map(({ sha256 }) => sha256));
  const wanted = rpms.flatMap((rpm) => {
    const sha256 = pool.get(rpm.payloadhash)?.sha256 ?? '';
    const epoch = rpm.epoch === null ? '' : `${rpm.epoch}:`;
    return here.has(sha256)
      ? [{ name: rpm.name, evra: `${epoch}${rpm.version}-${rpm.release}.${rpm.arch}`, sha256 }]
      : [];
  });
  const check = { url: `${target.publicUrl}/${folder}`, keys: [armoredKey(key)], gpgcheck, packages: wanted };
  await useAsClient(kind === 'source' ? check : { ...check, arch }, task);
}

/** Removes what nothing names any more and whose time is over. @returns how many files still wait */
export async function retireRepository(
  { place }: PlacedRepository,
  { keepSeconds, now }: { readonly keepSeconds: number; readonly now: number },
  task: Task,
): Promise<number> {
  return (await retireRpms(place, { graceSeconds: keepSeconds, now }, task)).waiting;
}
