import { NightlyError } from '../base/errors.ts';
import type { Task } from '../base/task.ts';
import { decompressText } from '../programs/decompress.ts';
import type { ChangelogEntry } from './changelog.ts';
import { fetchBytes } from './download.ts';
import { FormatError, otherContent } from './format-error.ts';
import { parseOther } from './other-metadata.ts';
import { parsePrimary, type RepoPackage } from './primary.ts';
import type { RepoDefinition } from './repofile.ts';
import { openRepository, type RepodataFile } from './repomd.ts';
import { hasDigest } from './rpm-names.ts';
import { type Advisory, parseUpdateinfo } from './updateinfo.ts';

/** What a repository has now. */
export interface RepoContent {
  readonly id: string;
  readonly packages: readonly RepoPackage[];
  /** Undefined for a repository without updateinfo. */
  readonly advisories?: readonly Advisory[] | undefined;
}

/** Metadata of a large repository is some 20 MB. */
const MOST_BYTES = 500_000_000;

/**
 * Reads a repository's packages and advisories.
 * @throws NightlyError `repo-unreachable` when it cannot be read or is damaged.
 */
export async function readRepoContent(repo: RepoDefinition, task: Task): Promise<RepoContent> {
  const open = await openRepository(repo, task);
  const { url } = open.state;
  const packages = await readMetadata(repo, open, { type: 'primary', parse: (text) => parsePrimary(text, url) }, task);
  const advisories = await readMetadata(repo, open, { type: 'updateinfo', parse: parseUpdateinfo }, task);
  return {
    id: repo.id,
    packages: (packages ?? []).map((one) => ({ ...one, connection: repo.connection })),
    advisories,
  };
}

/**
 * Reads a repository's advisories alone; undefined where it has no updateinfo.
 * @throws NightlyError `repo-unreachable` when it cannot be read or is damaged.
 */
export async function readRepoAdvisories(repo: RepoDefinition, task: Task): Promise<Advisory[] | undefined> {
  const open = await openRepository(repo, task);
  return readMetadata(repo, open, { type: 'updateinfo', parse: parseUpdateinfo }, task);
}

/**
 * Reads the changelogs that a repository has of some packages, by NEVRA; empty where it has no such metadata.
 * @param wanted `name-[epoch:]version-release.arch`
 * @throws NightlyError `repo-unreachable` when it cannot be read or is damaged.
 */
export async function readRepoChangelogs(
  repo: RepoDefinition,
  wanted: ReadonlySet<string>,
  task: Task,
): Promise<Map<string, readonly ChangelogEntry[]>> {
  const open = await openRepository(repo, task);
  const parse = (text: string) => parseOther(text, wanted);
  return (await readMetadata(repo, open, { type: 'other', parse }, task)) ?? new Map();
}

/** Reads one kind of metadata, checked against repomd.xml; undefined where there is none of that kind. */
async function readMetadata<Result>(
  repo: RepoDefinition,
  { state, files }: Awaited<ReturnType<typeof openRepository>>,
  { type, parse }: { readonly type: string; readonly parse: (text: string) => Result },
  task: Task,
): Promise<Result | undefined> {
  const file = files.find((one) => one.type === type && one.href !== '');
  if (!file) return undefined;
  try {
    const bytes = await fetchBytes(`${state.url}${file.href}`, task, {
      connection: repo.connection,
      mostBytes: MOST_BYTES,
    });
    refuseOther(file, bytes);
    return parse(await decompressText(file.href, bytes, task));
  } catch (error) {
    task.signal.throwIfAborted();
    if (error instanceof NightlyError) throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw new NightlyError('repo-unreachable', `Repository "${repo.id}": ${state.url}${file.href}: ${why}`, {
      hint: 'The repository may be being updated; run again in a while.',
      place: { file: repo.file, line: repo.line },
      cause: error,
    });
  }
}

/** @throws FormatError when the bytes have another checksum than repomd.xml says. */
function refuseOther({ digest }: RepodataFile, bytes: Uint8Array): void {
  if (digest === undefined || hasDigest(bytes, digest)) return;
  const other = otherContent(new TextDecoder().decode(bytes.subarray(0, 4096)));
  throw new FormatError(`${other === undefined ? '' : `${other}; `}it has another checksum than repomd.xml says`);
}
