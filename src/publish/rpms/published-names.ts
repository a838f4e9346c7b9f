import { z } from 'zod';
import { readCacheRecord } from '../../base/cache-record.ts';
import { sha256, writeFileAtomic } from '../../base/files.ts';
import type { Task } from '../../base/task.ts';
import { FormatError } from '../../rpm/format-error.ts';
import { metadataFiles, REPOMD, readPackageDigests } from '../../rpm/repository/package-digests.ts';
import type { Target } from '../../targets/target.ts';

/** Where an RPM repository is published. */
export interface RpmsPlace {
  readonly target: Target;
  /** The repository's folder, relative to the target's root. */
  readonly folder: string;
  /** A file in the work folder with what is remembered of it. */
  readonly memory: string;
}

const schema = z.object({
  version: z.literal(1),
  repomd: z.string(),
  packages: z.record(z.string(), z.string()),
  metadata: z.array(z.string()),
  left: z.record(z.string(), z.number()),
  gone: z.array(z.string()),
});

/** What is known of a published repository. Paths are relative to it. */
export interface PublishedNames {
  /** SHA-256 of its repomd.xml; undefined when there is none. */
  readonly repomd: string | undefined;
  /**
   * Every package that ever was published there, with its SHA-256, which is empty where it is not known. Bytes under a name never change
   * (C4), also when the file is long gone: caches keep what they were given.
   */
  readonly packages: ReadonlyMap<string, string>;
  /** Metadata files that repomd.xml names. */
  readonly metadata: readonly string[];
  /** Packages and metadata files that are still there though repomd.xml does not name them: since when, in seconds since the epoch. */
  readonly left: ReadonlyMap<string, number>;
  /** Packages that were removed. */
  readonly gone: ReadonlySet<string>;
}

/** What the metadata on a target names now. */
export interface NamedThere {
  /** SHA-256 by path. */
  readonly packages: ReadonlyMap<string, string>;
  readonly metadata: readonly string[];
}

/**
 * Returns what is known of a published repository: what was remembered, if the target has the repomd.xml that was published last. Where
 * it has another one, or nothing is remembered, it is read from the target: what its metadata names, and what else lies there. The time
 * of such files begins now, so that none is removed too early.
 * @param now seconds since the epoch
 * @param there what the target has as its repomd.xml, where that was read already
 * @throws NightlyError those of the target.
 */
export async function readPublishedNames(
  place: RpmsPlace,
  now: number,
  task: Task,
  there?: { readonly repomd: Uint8Array | undefined },
): Promise<PublishedNames> {
  const { target, folder, memory } = place;
  const record = await readCacheRecord(memory, schema);
  const content = there ? there.repomd : await target.read(`${folder}/${REPOMD}`, task);
  const repomd = content && sha256(content);
  const packages = new Map(Object.entries(record?.packages ?? {}));
  const known = new Map(Object.entries(record?.left ?? {}));
  const gone = new Set(record?.gone);
  if (record && record.repomd === repomd) return { repomd, packages, metadata: record.metadata, left: known, gone };
  const named = content && (await readNamedThere(content, place, task));
  for (const [path, digest] of named?.packages ?? []) packages.set(path, digest);
  const files = new Set(await filesThere(place, task));
  // What is remembered may be of another folder, from which the repository was moved, or of one that somebody removed.
  for (const path of [...packages.keys()].filter(isPackage)) {
    if (files.has(path)) gone.delete(path);
    else gone.add(path);
  }
  const left = new Map<string, number>();
  for (const path of files) {
    if (path.endsWith('.rpm') && !packages.has(path)) packages.set(path, '');
    const isNamed = named?.packages.has(path) || named?.metadata.includes(path);
    if (!isNamed) left.set(path, Math.min(known.get(path) ?? now, now));
  }
  return { repomd, packages, metadata: named?.metadata ?? [], left, gone };
}

/**
 * Remembers packages before they are sent: when a kill, or a log that refuses, comes between that and repomd.xml, the same packages
 * get the same paths the next time. What of them has arrived is read from the target then.
 */
export async function noteSending(
  { memory }: RpmsPlace,
  published: PublishedNames,
  sent: ReadonlyMap<string, string>,
): Promise<void> {
  const packages = new Map([...published.packages, ...sent]);
  const gone = new Set([...published.gone, ...[...sent.keys()].filter((path) => !published.packages.has(path))]);
  await writePublishedNames(memory, { ...published, packages, gone, repomd: undefined });
}

/**
 * Remembers that a repository was published: what it does not name any more has left it now.
 * @param published what was known before
 */
export async function notePublished(
  { memory }: RpmsPlace,
  published: PublishedNames | undefined,
  made: NamedThere & { readonly repomd: string; readonly now: number },
): Promise<void> {
  const before = published ?? {
    packages: new Map<string, string>(),
    metadata: [],
    left: new Map<string, number>(),
    gone: new Set<string>(),
  };
  const packages = new Map([...before.packages, ...made.packages]);
  const gone = new Set([...before.gone].filter((path) => !made.packages.has(path)));
  const names = (path: string): boolean => made.packages.has(path) || made.metadata.includes(path);
  const left = new Map([...before.left].filter(([path]) => !names(path)));
  for (const path of [...packages.keys(), ...before.metadata]) {
    if (!names(path) && !gone.has(path) && !left.has(path)) left.set(path, made.now);
  }
  await writePublishedNames(memory, { repomd: made.repomd, packages, metadata: made.metadata, left, gone });
}

/** Remembers what a repository on a target names. @param memory the file */
export async function writePublishedNames(memory: string, names: PublishedNames): Promise<void> {
  const { repomd = '', packages, metadata, left, gone } = names;
  const maps = { packages: Object.fromEntries(packages), left: Object.fromEntries(left) };
  await writeFileAtomic(memory, JSON.stringify({ version: 1, repomd, ...maps, metadata, gone: [...gone] }));
}

/** Reads what a repomd.xml on a target names, with the metadata beside it; undefined when these cannot be read. */
export async function readNamedThere(
  repomd: Uint8Array,
  { target, folder }: Pick<RpmsPlace, 'target' | 'folder'>,
  task: Task,
): Promise<NamedThere | undefined> {
  const text = Buffer.from(repomd).toString();
  try {
    const digests = await readPackageDigests(text, (path) => target.read(`${folder}/${path}`, task), task);
    const packages = new Map([...digests].map(([path, digest]) => [path, digest.replace(/^sha256:/, '')]));
    return { packages, metadata: metadataFiles(text) };
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    task.say(`the metadata in ${folder} on ${target.name} cannot be read: ${error.message}`);
    return undefined;
  }
}

const isPackage = (path: string): boolean => /^Packages\/.+\.rpm$/.test(path);

/** Files of the repository on a target that go when nothing names them; those of a repository below it are not among them. */
async function filesThere({ target, folder }: RpmsPlace, task: Task): Promise<string[]> {
  const found: string[] = [];
  for await (const { path } of target.list(folder, task)) {
    const inside = path.slice(folder.length + 1);
    if (isPackage(inside) || /^repodata\/[0-9a-f]{64,128}-[^/]+$/.test(inside)) found.push(inside);
  }
  return found;
}
