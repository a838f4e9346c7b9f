import { NightlyError } from '../base/errors.ts';
import { sha256 } from '../base/files.ts';
import { withoutUserinfo } from '../base/redact.ts';
import type { Task } from '../base/task.ts';
import { fetchBytes } from './download.ts';
import { FormatError } from './format-error.ts';
import { checkCertificates } from './repo-certificates.ts';
import type { RepoDefinition } from './repofile.ts';
import { hasDigest, readChecksum, urlInRepository } from './rpm-names.ts';
import { eachElement } from './xml-reader.ts';

/** What a repository's repomd.xml says of the whole repository. */
export interface RepositoryState {
  readonly id: string;
  /** The base URL it was read from; of `readRepository` without user and password. */
  readonly url: string;
  /** SHA-256 of repomd.xml: it names the checksums of all other metadata, so it stands for everything in them. */
  readonly sha256: string;
  /** Revision as written; often seconds since the epoch, sometimes not. */
  readonly revision: string;
  /** The newest time stamp of its data entries, seconds since the epoch: when the metadata was generated. */
  readonly generated: number;
}

/** Reads repomd.xml of one repository: the first of its mirrors that answers. @throws NightlyError `repo-unreachable`. */
export async function readRepository(repo: RepoDefinition, task: Task): Promise<RepositoryState> {
  const { state } = await openRepository(repo, task);
  // It goes into the journal, which is published.
  return { ...state, url: withoutUserinfo(state.url) };
}

/** A file of a repository's metadata. */
export interface RepodataFile {
  /** `primary`, `updateinfo`, … */
  readonly type: string;
  /** Relative to the repository. */
  readonly href: string;
  /** `sha256:<hex>` of the file, or with sha384 or sha512; undefined where another kind is used. */
  readonly digest?: string;
}

/** The same, with the list of its metadata files. */
export async function openRepository(
  repo: RepoDefinition,
  task: Task,
): Promise<{ readonly state: RepositoryState; readonly files: readonly RepodataFile[] }> {
  await checkCertificates(repo);
  const tried: string[] = [];
  const { urls, digests } = await mirrorsOf(repo, task);
  for (const url of urls) {
    const base = url.replace(/\/*$/, '/');
    try {
      const bytes = await fetchBytes(`${base}repodata/repomd.xml`, task, repo);
      if (digests.length > 0 && !digests.some((digest) => hasDigest(bytes, digest))) {
        throw new FormatError('it is not the one that the metalink names: the mirror lags, or somebody changed it');
      }
      const { files, ...about } = parseRepomd(new TextDecoder().decode(bytes));
      return { state: { id: repo.id, url: base, sha256: sha256(bytes), ...about }, files };
    } catch (error) {
      task.signal.throwIfAborted();
      tried.push(`${base}repodata/repomd.xml: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  throw unreachable(
    repo,
    tried.length === 0 ? 'it has no baseurl, mirrorlist or metalink, or the list is empty' : tried.join('\n  '),
  );
}

/**
 * Parses repomd.xml.
 * @throws FormatError when it is not one.
 */
export function parseRepomd(xml: string): { revision: string; generated: number; files: RepodataFile[] } {
  const files: RepodataFile[] = [];
  let revision = '';
  let generated = 0;
  let file: { href?: string; digest?: string } = {};
  eachElement(xml, 'repomd', ({ path, attributes, text }) => {
    if (path === 'repomd/revision') revision = text;
    // createrepo_c writes whole seconds, the first createrepo fractions of them.
    else if (path === 'repomd/data/timestamp') generated = Math.max(generated, secondsOf(text));
    else if (path === 'repomd/data/location') file = { ...file, href: attributes['href'] ?? '' };
    else if (path === 'repomd/data/checksum') {
      const digest = readChecksum(attributes['type'] ?? '', text);
      if (digest !== undefined) file = { ...file, digest };
    } else if (path === 'repomd/data') {
      const type = attributes['type'] ?? '';
      // An entry without a file, as the first createrepo wrote them, names nothing.
      if (file.href !== undefined) urlInRepository('', file.href, `its entry ${JSON.stringify(type)}`);
      files.push({ type, href: '', ...file });
      file = {};
    }
  });
  return { revision, generated, files };
}

/** @returns 0 for what is no time; twelve digits reach beyond the year 30000. */
function secondsOf(text: string): number {
  return /^\d{1,12}(\.\d*)?$/.test(text) ? Math.floor(Number(text)) : 0;
}

/**
 * Base URLs in a metalink for repomd.xml (metalink 3, as mirror managers serve it), preferred ones first.
 * @throws FormatError when it is not one.
 */
export function parseMetalink(xml: string): string[] {
  const found: { url: string; preference: number }[] = [];
  eachElement(xml, 'metalink', ({ path, attributes, text }) => {
    if (!/(^|\/)url$/.test(path) || !text.endsWith('repodata/repomd.xml')) return;
    const url = baseUrl(text.slice(0, -'repodata/repomd.xml'.length));
    if (url !== undefined) found.push({ url, preference: Number(attributes['preference'] ?? 0) || 0 });
  });
  return found.sort((a, b) => b.preference - a.preference).map(({ url }) => url);
}

/**
 * Checksums of repomd.xml in a metalink: those of the newest, and of older ones that mirrors may still have. As librepo takes
 * them (its metalink.c): one must fit. Those of a kind that nobody should rely on any more are left out.
 * @throws FormatError when it is not one.
 */
export function metalinkDigests(xml: string): string[] {
  const found: string[] = [];
  eachElement(xml, 'metalink', ({ path, attributes, text }) => {
    if (!/(^|\/)verification\/hash$/.test(path)) return;
    const digest = readChecksum(attributes['type'] ?? '', text);
    if (digest !== undefined) found.push(digest);
  });
  return found;
}

/** Base URLs in a mirror list: one a line. */
export function parseMirrorlist(text: string): string[] {
  return text.split('\n').flatMap((line) => baseUrl(line.trim()) ?? []);
}

/** Returns an address of a kind that is fetched here; others, rsync's for instance, are for other programs. */
function baseUrl(text: string): string | undefined {
  return /^(https?|file):\/\//.test(text) && URL.canParse(text) ? text : undefined;
}

/** How many mirrors of a list are tried before giving up. */
const MIRROR_TRIES = 5;

interface Mirrors {
  readonly urls: readonly string[];
  /** What repomd.xml may be; empty where nobody says. */
  readonly digests: readonly string[];
}

async function mirrorsOf(repo: RepoDefinition, task: Task): Promise<Mirrors> {
  if (repo.baseurl.length > 0) return { urls: repo.baseurl, digests: [] };
  const list = repo.metalink ?? repo.mirrorlist;
  if (list === undefined) return { urls: [], digests: [] };
  try {
    const text = new TextDecoder().decode(await fetchBytes(list, task, repo));
    const isMetalink = repo.metalink !== undefined || text.trimStart().startsWith('<');
    const urls = (isMetalink ? parseMetalink(text) : parseMirrorlist(text)).slice(0, MIRROR_TRIES);
    return { urls, digests: isMetalink ? metalinkDigests(text) : [] };
  } catch (error) {
    task.signal.throwIfAborted();
    throw unreachable(repo, `${list}: ${error instanceof Error ? error.message : String(error)}`, error);
  }
}

function unreachable(repo: RepoDefinition, why: string, cause?: unknown): NightlyError {
  return new NightlyError('repo-unreachable', `Repository "${repo.id}" cannot be read: ${why}`, {
    hint: 'Check its address in the .repo file and the network, then run again.',
    place: { file: repo.file, line: repo.line },
    cause,
  });
}
