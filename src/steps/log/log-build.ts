import { stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { z } from 'zod';
import { bytesIfThere, ifThere, sha256, sha256File, writeFileAtomic } from '../../base/files.ts';
import { FORMATS } from '../../base/format-versions.ts';
import { readRecord, recordFormat, recordText } from '../../base/read-record.ts';
import type { Task } from '../../base/task.ts';
import { LOGGED_FILE, REBUILDS_FOLDER, RECORD_FILE, SUMS } from '../../build/build-files.ts';
import type { BuildMeta } from '../../build/build-record.ts';
import { type BuildPaths, readMeta } from '../../build/build-store.ts';
import { statementsOf } from '../../build/rebuilds.ts';
import { count, pathBelow, sha256Hex } from '../../build/record-values.ts';
import type { Config } from '../../config/config.ts';
import { fromBase64 } from '../../log/strict-text.ts';
import { openLogGate } from '../../publish/log/release-log.ts';
import { type EntryOf, formatEntry, type LoggedFile } from '../../published/log-entry.ts';
import { isSignatureName, signatureName, signedName } from '../../published/paths.ts';
import { parseSums, type Summed } from '../../published/sha256sums.ts';
import type { Target } from '../../targets/target.ts';

/** A build's records as they are about to be published. */
export interface BuildRecords {
  readonly meta: BuildMeta;
  readonly sums: readonly Summed[];
  /** The files by name: record, checksums, and their signatures where the stream signs. */
  readonly contents: ReadonlyMap<string, Uint8Array>;
  /** Further files that go with them, as the notes of a release; paths relative to the build's folder. */
  readonly told?: readonly string[];
  /** Whether another machine made the commit, and so has logged the build. */
  readonly isPart?: boolean;
}

/** `logged.json`: what this machine last logged of a build; the next entry has what differs. */
export const LOGGED = recordFormat({
  version: FORMATS['what the log has of a build'],
  schema: z.strictObject({
    version: z.literal(FORMATS['what the log has of a build'].newest),
    files: z.array(z.strictObject({ path: pathBelow, sha256: sha256Hex, size: count })),
    entry: z.array(z.string().refine((text) => fromBase64(text) !== undefined, 'must be base64')).min(1),
  }),
  hint: 'Remove it: the next publish of the build logs all of its files again.',
});

/**
 * Logs what is about to be published of a build, and makes sure that the target's copy of the log has it: all files the first time,
 * later what differs (I17). The journal and the logs of steps are not among them: they grow with each attempt, and only tell how
 * it went.
 */
export async function logBuild(
  { config, stream }: { readonly config: Config; readonly stream: string },
  paths: BuildPaths,
  records: BuildRecords,
  target: Target,
  task: Task,
): Promise<void> {
  if (config.log === undefined) return;
  const gate = await openLogGate(config);
  const state = join(paths.dir, LOGGED_FILE);
  const content = await bytesIfThere(state);
  const before = content && readRecord(content, LOGGED, state);
  const files = await filesOf(paths, records, before?.files ?? []);
  const entry = before?.entry.map((part) => Buffer.from(part, 'base64'));
  const next = entryOf({ stream, paths, records, files, before: before?.files });
  // What is logged already only has to reach this target.
  const isSame = entry && next.files.length === 0 && next.kind === 'build-changed' && next.gone.length === 0;
  const parts = isSame && hasRecords(entry, next) ? entry : formatEntry(next);
  await gate.before([parts], target, task);
  const stored = { version: 1 as const, files, entry: parts.map((part) => part.toString('base64')) };
  const text = recordText(stored, LOGGED);
  if (String(content) !== text) await writeFileAtomic(state, text);
}

/** Logs as `logBuild` does, for a build whose records are here as they are to be published. @param signed whether they have signatures */
export async function logBuildHere(
  config: Config,
  paths: BuildPaths,
  { signed, told }: { readonly signed: boolean; readonly told?: readonly string[] | undefined },
  target: Target,
  task: Task,
): Promise<void> {
  if (config.log === undefined) return;
  const names = [SUMS, RECORD_FILE].flatMap((name) => (signed ? [signatureName(name), name] : [name]));
  const contents = new Map<string, Uint8Array>();
  for (const name of names) {
    const content = await bytesIfThere(join(paths.dir, name));
    if (content) contents.set(name, content);
  }
  const meta = await readMeta(paths);
  const sums = parseSums(String(contents.get(SUMS) ?? ''), join(paths.dir, SUMS));
  await logBuild({ config, stream: meta.stream }, paths, { meta, sums, contents, ...(told && { told }) }, target, task);
}

type BuildEntry = EntryOf<'build'> | EntryOf<'build-changed'>;

/** Whether the last entry has the records as they are; both have them by their digests, in each part. */
function hasRecords(entry: readonly Buffer[], { sums, record }: BuildEntry): boolean {
  const text = String(entry[0]);
  return [sums, record].every((one) => text.includes(`{"sha256":"${one.sha256}","size":${one.size}}`));
}

function entryOf({
  stream,
  paths,
  records: { meta, contents, isPart = false },
  files,
  before,
}: {
  readonly stream: string;
  readonly paths: BuildPaths;
  readonly records: BuildRecords;
  readonly files: readonly LoggedFile[];
  readonly before: readonly LoggedFile[] | undefined;
}): BuildEntry {
  const build = {
    stream,
    id: paths.id,
    arch: meta.basearch,
    commit: meta.ostreeCommit ?? '',
    sums: digestOf(contents.get(SUMS) ?? Buffer.alloc(0)),
    record: digestOf(contents.get(RECORD_FILE) ?? Buffer.alloc(0)),
  };
  if (before === undefined && !isPart) return { kind: 'build', ...build, files: [...files] };
  const known = new Map((before ?? []).map((one) => [one.path, one.sha256]));
  const changed = files.filter(({ path, sha256: digest }) => known.get(path) !== digest);
  const there = new Set(files.map(({ path }) => path));
  const gone = [...known.keys()].filter((path) => !there.has(path));
  return { kind: 'build-changed', ...build, files: changed, change: changeOf(meta, changed), gone };
}

/** What the record says that became of the build, unless it is about images or signatures. */
function changeOf(meta: BuildMeta, changed: readonly LoggedFile[]): EntryOf<'build-changed'>['change'] {
  if (changed.some(({ path }) => path.startsWith('images/') && !isSignatureName(path))) return 'images';
  if (changed.some(({ path }) => isSignatureName(path) && ![SUMS, RECORD_FILE].includes(signedName(path)))) {
    if (changed.every(({ path }) => isSignatureName(path))) return 'signed';
  }
  if (changed.some(({ path }) => path.startsWith(`${REBUILDS_FOLDER}/`))) return 'rebuilt';
  if (meta.release?.withdrawn) return 'withdrawn';
  if (meta.retracted) return 'retracted';
  if (meta.release) return 'released';
  if (meta.supersededBy !== undefined) return 'superseded';
  return 'repaired';
}

/**
 * Returns all files of a build that this machine knows of: what SHA256SUMS names and is here, or was logged from here before its image
 * went; signatures; what a release tells. What another machine made it has logged itself.
 */
async function filesOf(
  paths: BuildPaths,
  { meta, sums, contents, told = [] }: BuildRecords,
  before: readonly LoggedFile[],
): Promise<LoggedFile[]> {
  const known = new Map(before.map((one) => [one.path, one]));
  const found = new Map<string, LoggedFile>();
  const add = (file: LoggedFile | undefined): void => {
    if (file) found.set(file.path, file);
  };
  for (const { path, sha256: digest } of sums) {
    const old = known.get(path);
    const size = old?.sha256 === digest ? old.size : await sizeHere(join(paths.dir, path));
    // A signature may be made here for an image that is not here any more, or never was.
    if (size !== undefined) add({ path, sha256: digest, size });
    add((await fileHere(paths, signatureName(path))) ?? known.get(signatureName(path)));
  }
  for (const name of [SUMS, RECORD_FILE].map(signatureName)) {
    const content = contents.get(name);
    if (content) add({ path: name, ...digestOf(content) });
  }
  for (const path of [...told, ...statementsOf(meta)]) add(await fileHere(paths, path));
  const folder = `${relative(paths.dir, paths.release)}/`;
  for (const one of before)
    if (one.path.startsWith(folder) && !found.has(one.path)) add((await fileHere(paths, one.path)) ?? one);
  return [...found.values()].toSorted((a, b) => (a.path < b.path ? -1 : 1));
}

async function fileHere({ dir }: BuildPaths, path: string): Promise<LoggedFile | undefined> {
  const size = await sizeHere(join(dir, path));
  return size === undefined ? undefined : { path, sha256: await sha256File(join(dir, path)), size };
}

async function sizeHere(path: string): Promise<number | undefined> {
  return (await ifThere(stat(path)))?.size;
}

const digestOf = (content: Uint8Array) => ({ sha256: sha256(content), size: content.length });
