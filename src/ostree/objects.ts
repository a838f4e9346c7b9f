import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { definedOnly } from '../base/defined-only.ts';
import { NightlyError } from '../base/errors.ts';
import { bytesIfThere, isErrno, readTextIfExists, sha256 } from '../base/files.ts';
import type { PackageId } from '../rpm/lockfile.ts';
import { listedPackages } from './commit-packages.ts';
import {
  asArray,
  asBigint,
  asBytes,
  asString,
  decodeVariant,
  swap64,
  type Variant,
  type VariantValue,
  variantMap,
} from './gvariant.ts';
import { isRef } from './ref.ts';

/**
 * Reads OSTree's metadata objects straight from an archive-mode repository, without a process for each. Formats are
 * those of ostree-core.h (OSTREE_COMMIT_GVARIANT_FORMAT and so on): https://ostreedev.github.io/ostree/repo/
 */
export type MetadataType = 'commit' | 'dirtree' | 'dirmeta';

/** Names of the files under `objects/` of an archive-mode repository; `filez` is a compressed file with its header. */
export type ObjectType = MetadataType | 'filez' | 'commitmeta';

/** Gives the content of a metadata object, checked against its checksum; undefined when it is not there. */
export type ReadObject = (checksum: string, type: MetadataType) => Promise<Uint8Array | undefined>;

export interface CommitInfo {
  readonly checksum: string;
  readonly parent?: string;
  /** Seconds since the epoch. */
  readonly timestamp: number;
  readonly subject: string;
  readonly body: string;
  /** Checksums of the root folder's dirtree and dirmeta. */
  readonly rootTree: string;
  readonly rootMeta: string;
  /** The commit's `version`: the build id. */
  readonly version?: string;
  /** `rpmostree.inputhash` */
  readonly inputHash?: string;
  /** What commit-packages.ts finds. */
  readonly packages?: PackageId[];
  /** `rpmostree.rpmmd-repos`: when each repository's metadata was made, seconds since the epoch, where it can be read. */
  readonly repoTimestamps?: Record<string, number>;
  /** `ostree.ref-binding`: the refs this commit was made for. */
  readonly refBindings?: string[];
  /** All of the commit's metadata. */
  readonly metadata: ReadonlyMap<string, Variant>;
}

export interface TreeFile {
  readonly name: string;
  /** Checksum of the content object. */
  readonly checksum: string;
}

export interface TreeFolder {
  readonly name: string;
  readonly tree: string;
  readonly meta: string;
}

/** One folder; both lists are sorted by name. */
export interface DirTree {
  readonly files: readonly TreeFile[];
  readonly folders: readonly TreeFolder[];
}

export const COMMIT_FORMAT = '(a{sv}aya(say)sstayay)';
export const DIRTREE_FORMAT = '(a(say)a(sayay))';

/** Returns where a repository keeps an object, relative to it. */
export function objectPath(checksum: string, type: ObjectType): string {
  // Joined, not concatenated: V8 would keep the pieces of each path, three times the memory in a list of a million.
  return ['objects/', checksum.slice(0, 2), '/', checksum.slice(2), '.', type].join('');
}

/** Returns the content checksum of a tree, as `ostree show` prints it: over the checksums of root dirtree and dirmeta. */
export function contentChecksumOf(tree: string, meta: string): string {
  return sha256(Buffer.from(tree + meta, 'hex'));
}

/** Whether a text is an object's name: SHA-256 in lower-case hex. */
export function isChecksum(text: string): boolean {
  return /^[0-9a-f]{64}$/.test(text);
}

/** Reads objects of a local archive-mode repository. @throws NightlyError `ostree` when one is damaged. */
export function localObjects(repo: string): ReadObject {
  let reads = 0;
  return async (checksum, type) => {
    // Small files, mostly cached: waiting for a thread takes ten times as long as reading. Others get their turn still.
    reads += 1;
    if (reads % 200 === 0) await nextTurn();
    try {
      return checkedObject(readFileSync(join(repo, objectPath(checksum, type))), checksum, type, repo);
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return undefined;
      throw error;
    }
  };
}

/** Returns the bytes, if they have that checksum. @throws NightlyError `ostree`, naming where they came from. */
export function checkedObject(bytes: Uint8Array, checksum: string, type: MetadataType, place: string): Uint8Array {
  if (sha256(bytes) === checksum) return bytes;
  throw new NightlyError(
    'ostree',
    `The ${type} ${checksum} in ${place} is damaged: its content has another checksum.`,
    {
      hint: 'Run "ostree fsck" on that repository; deleting the damaged object lets it be fetched or made again.',
    },
  );
}

/**
 * Reads a commit of a local archive-mode repository.
 * @throws NightlyError `not-found` when it is not there, `ostree` when it is damaged.
 */
export async function readCommit(repo: string, checksum: string): Promise<CommitInfo> {
  const bytes = await localObjects(repo)(checksum, 'commit');
  if (bytes) return withDetachedTimes(parseCommit(checksum, bytes), repo);
  throw new NightlyError('not-found', `The repository ${repo} has no commit ${checksum}.`, {
    hint: `"ostree refs --repo=${repo} --revision" lists what it has.`,
  });
}

/**
 * A commit whose `rpmostree.rpmmd-repos` is beside it (`repo-metadata: detached`) has its times from there.
 * What is there and cannot be read says nothing: others may write it at any time, and no checksum covers it.
 */
async function withDetachedTimes(commit: CommitInfo, repo: string): Promise<CommitInfo> {
  if (commit.repoTimestamps !== undefined) return commit;
  const bytes = await bytesIfThere(join(repo, objectPath(commit.checksum, 'commitmeta')));
  if (!bytes) return commit;
  try {
    const detached = variantMap(decodeVariant('a{sv}', bytes)).get('rpmostree.rpmmd-repos');
    return { ...commit, ...known('repoTimestamps', detached, 'aa{sv}', repositoryTimes) };
  } catch {
    return commit;
  }
}

/** Returns the commit a local branch points to; undefined when there is no such ref. */
export async function readRef(repo: string, ref: string): Promise<string | undefined> {
  if (!isRef(ref)) throw new NightlyError('ostree', `${JSON.stringify(ref)} cannot be the name of a ref.`);
  return (await readTextIfExists(join(repo, 'refs/heads', ref)))?.trim();
}

/** Decodes a commit object. @throws NightlyError `ostree` when the bytes are not one. */
export function parseCommit(checksum: string, bytes: Uint8Array): CommitInfo {
  return understood('commit', checksum, () => {
    const [meta, parent, , subject, body, time, rootTree, rootMeta] = asArray(decodeVariant(COMMIT_FORMAT, bytes));
    const metadata = variantMap(meta ?? null);
    const parentChecksum = asBytes(parent).length === 0 ? '' : checksumOf(parent);
    return {
      checksum,
      ...(parentChecksum === '' ? {} : { parent: parentChecksum }),
      timestamp: calendarSeconds(swap64(asBigint(time))),
      subject: asString(subject),
      body: asString(body),
      rootTree: checksumOf(rootTree),
      rootMeta: checksumOf(rootMeta),
      ...known('version', metadata.get('version'), 's', asString),
      ...known('inputHash', metadata.get('rpmostree.inputhash'), 's', asString),
      ...definedOnly({ packages: listedPackages(metadata) }),
      ...known('repoTimestamps', metadata.get('rpmostree.rpmmd-repos'), 'aa{sv}', repositoryTimes),
      ...known('refBindings', metadata.get('ostree.ref-binding'), 'as', (value) => asArray(value).map(asString)),
      metadata,
    };
  });
}

/** Decodes a dirtree object. @throws NightlyError `ostree` when the bytes are not one. */
export function parseDirTree(checksum: string, bytes: Uint8Array): DirTree {
  return understood('dirtree', checksum, () => {
    const [files, folders] = asArray(decodeVariant(DIRTREE_FORMAT, bytes));
    return {
      files: asArray(files).map((entry) => {
        const [name, content] = asArray(entry);
        return { name: entryName(name), checksum: checksumOf(content) };
      }),
      folders: asArray(folders).map((entry) => {
        const [name, tree, meta] = asArray(entry);
        return { name: entryName(name), tree: checksumOf(tree), meta: checksumOf(meta) };
      }),
    };
  });
}

/** 9999-12-31T23:59:59Z: later times have no date that people, ISO 8601 and JavaScript agree on. */
const LAST_SECOND = 253_402_300_799;

function calendarSeconds(seconds: bigint): number {
  if (seconds <= BigInt(LAST_SECOND)) return Number(seconds);
  throw new Error(`its time, ${seconds} seconds since 1970, is after the year 9999`);
}

function understood<Value>(type: MetadataType, checksum: string, parse: () => Value): Value {
  try {
    return parse();
  } catch (error) {
    throw new NightlyError('ostree', `The object ${checksum} is not a ${type}: ${String(error)}`, { cause: error });
  }
}

/** Returns a field for metadata of that type; metadata of another type under the same key is left to `metadata`. */
function known<Key extends string, Value>(
  key: Key,
  variant: Variant | undefined,
  type: string,
  read: (value: VariantValue) => Value,
): { [K in Key]?: Value } {
  return variant?.type === type ? ({ [key]: read(variant.value) } as { [K in Key]?: Value }) : {};
}

/**
 * Times by repository; one that cannot be read in either byte order is left out. An entry that is of another form than
 * rpm-ostree's is left to `metadata`: a commit of others must not become unreadable by it.
 */
function repositoryTimes(value: VariantValue): Record<string, number> {
  const times: Record<string, number> = {};
  for (const entry of asArray(value)) {
    const fields = variantMap(entry);
    const [id, timestamp] = [fields.get('id')?.value, fields.get('timestamp')?.value];
    if (typeof id !== 'string' || typeof timestamp !== 'bigint') continue;
    const seconds = commitSeconds(timestamp);
    if (seconds !== undefined) times[id] = seconds;
  }
  return times;
}

/** Times before this second (in the year 2106) fit into half of a 64-bit number. */
const HALF = 2n ** 32n;

/**
 * Returns a time in a commit's metadata, decoded as little-endian, in seconds since the epoch: all of a commit is
 * big-endian, as rpm-ostree and OSTree write it. Commits that atomic-nightly wrote until November 2026 have these times
 * in the other order; at most one of the two readings of a number but 0 is below 2^32, so they cannot be mistaken for
 * each other.
 * @returns undefined when neither is a time that a calendar has
 */
export function commitSeconds(stored: bigint): number | undefined {
  const seconds = swap64(stored);
  if (seconds < HALF) return Number(seconds);
  if (BigInt.asUintN(64, stored) < HALF) return Number(stored);
  return Number(seconds) <= LAST_SECOND ? Number(seconds) : undefined;
}

/** @throws Error when it is not 32 bytes: a path is made of it. */
export function checksumOf(value: VariantValue | undefined): string {
  const bytes = asBytes(value);
  if (bytes.length !== 32) throw new Error(`a checksum has ${bytes.length} bytes`);
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
}

/**
 * Returns a name in a folder, by ostree's rule (ot_util_filename_validate). @throws Error for one that leads elsewhere.
 */
function entryName(value: VariantValue | undefined): string {
  const name = asString(value);
  if (name === '' || name === '.' || name === '..' || name.includes('/')) {
    throw new Error(`a folder has an entry that is no name: ${JSON.stringify(name)}`);
  }
  return name;
}
