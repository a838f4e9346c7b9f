import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder } from '../../base/files.ts';
import type { Task } from '../../base/task.ts';
import { type PackageFile, placePackages, stampPackages } from './place-packages.ts';
import { type RepomdSigning, renewMetadata, unnamedMetadata } from './renew-metadata.ts';
import {
  type FileStamp,
  type RepositoryMemory,
  readRepositoryMemory,
  writeRepositoryMemory,
} from './repository-memory.ts';

export interface RepositoryRequest {
  /** The repository and nothing else: other RPM files in it are removed. Made when missing. */
  readonly folder: string;
  /** All that it is to have; none for an empty repository. */
  readonly packages: readonly PackageFile[];
  /** Where is remembered what was read; a file outside of the folder. */
  readonly memory: string;
  /** See `MetadataRequest`. */
  readonly revision?: number | undefined;
  readonly signing?: RepomdSigning | undefined;
  /** How long metadata files stay that only an earlier repomd.xml named, in seconds. */
  readonly keepSeconds: number;
  /** Seconds since the epoch. */
  readonly now: number;
}

export interface MadeRepository {
  /** SHA-256 of repomd.xml. */
  readonly repomd: string;
  /** Whether packages, metadata or signature are others than before. */
  readonly changed: boolean;
  /** Packages put there, those replaced under their name among them. */
  readonly added: number;
  readonly removed: number;
}

/**
 * Makes an RPM repository equal to a list of packages (C1): packages, metadata, signature. The same again changes nothing and reads no package.
 * @throws NightlyError `package-missing`, `verify`; what `renewMetadata` throws.
 */
export async function makeRepository(request: RepositoryRequest, task: Task): Promise<MadeRepository> {
  const { folder, packages, memory } = request;
  await makeFolder(folder);
  const known = await readRepositoryMemory(memory);
  const { files, added, removed } = await placePackages(folder, packages, known.files, task);
  const { repomd, changed } = await finish(request, { known, files }, task);
  return { repomd, changed, added, removed };
}

/**
 * Makes the metadata of a repository name the packages that somebody else keeps in its folder.
 * @returns whether it is another than before
 */
export async function renewRepository(request: Omit<RepositoryRequest, 'packages'>, task: Task): Promise<boolean> {
  await makeFolder(request.folder);
  const known = await readRepositoryMemory(request.memory);
  const files = await stampPackages(request.folder, known.files, task);
  return (await finish(request, { known, files }, task)).changed;
}

async function finish(
  { folder, memory, revision, signing, keepSeconds, now }: Omit<RepositoryRequest, 'packages'>,
  { known, files }: { readonly known: RepositoryMemory; readonly files: ReadonlyMap<string, FileStamp> },
  task: Task,
): Promise<{ readonly repomd: string; readonly changed: boolean }> {
  const packages = digestsOf(files);
  const before = known.repomd === undefined ? undefined : { repomd: known.repomd, packages: digestsOf(known.files) };
  const { repomd, changed, dropped } = await renewMetadata(
    { folder, packages, known: before, revision, signing },
    task,
  );
  // Those of before stay for a while, for who has read its repomd.xml a moment ago; what a kill left was never seen.
  const since = new Map([...dropped.map((name) => [name, now] as const), ...known.old]);
  const old = new Map<string, number>();
  for (const name of await unnamedMetadata(folder)) {
    const from = Math.min(since.get(name) ?? Number.NEGATIVE_INFINITY, now);
    if (now - from < keepSeconds) old.set(name, from);
    else await rm(join(folder, 'repodata', name), { force: true });
  }
  await writeRepositoryMemory(memory, { files, repomd, old });
  if (changed) task.say(`metadata of ${packages.size} packages${signing ? ', signed' : ''}`);
  return { repomd, changed };
}

const digestsOf = (files: ReadonlyMap<string, FileStamp>): Map<string, string> =>
  new Map([...files].map(([path, [sha256]]) => [path, sha256]));
