import pLimit from 'p-limit';
import { SaxesParser } from 'saxes';
import { NightlyError } from '../errors.ts';
import { sha256 } from '../tools/files.ts';
import { withoutUserinfo } from '../tools/redact.ts';
import type { Task } from '../tools/task.ts';
import type { Treefile } from '../treefile/treefile.ts';
import { fetchBytes } from './download.ts';
import { type RepoDefinition, treefileRepos } from './repofile.ts';
import { eachElement } from './xml.ts';

/** What a repository's repomd.xml says of the whole repository. */
export interface RepositoryState {
  readonly id: string;
  /** The base URL it was read from; of `readRepository` without user and password. */
  readonly url: string;
  /** SHA-256 of repomd.xml: it names the checksums of all other metadata, so it stands for everything in them. */
  readonly sha256: string;
  /** As written; often seconds since the epoch, sometimes not. */
  readonly revision: string;
  /** The newest time stamp of its data entries, seconds since the epoch: when the metadata was generated. */
  readonly generated: number;
}

/**
 * Reads repomd.xml of every repository a treefile composes from (`repos` and `repo-packages`), side by side.
 * @throws NightlyError `repo-unknown`, `repo-unreachable`.
 */
export async function readRepositories(treefile: Treefile, task: Task): Promise<RepositoryState[]> {
  const repos = await treefileRepos(treefile, { locked: false });
  const limit = pLimit(6);
  return Promise.all(repos.map((repo) => limit(() => readRepository(repo, task))));
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
  /** SHA-256 of the file, hex; undefined where another kind is used. */
  readonly sha256?: string;
}

/** The same, with the list of its metadata files. */
export async function openRepository(
  repo: RepoDefinition,
  task: Task,
): Promise<{ readonly state: RepositoryState; readonly files: readonly RepodataFile[] }> {
  const tried: string[] = [];
  for (const url of await mirrorsOf(repo, task)) {
    const base = url.replace(/\/*$/, '/');
    try {
      const bytes = await fetchBytes(`${base}repodata/repomd.xml`, task);
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
 * @throws Error when it is not one; the message says what is wrong.
 */
export function parseRepomd(xml: string): { revision: string; generated: number; files: RepodataFile[] } {
  const files: RepodataFile[] = [];
  let root = '';
  let revision = '';
  let generated = 0;
  let file: { href?: string; sha256?: string } = {};
  eachElement(xml, ({ path, attributes, text }) => {
    root = path;
    if (path === 'repomd/revision') revision = text;
    // createrepo_c writes whole seconds, the first createrepo fractions of them.
    else if (path === 'repomd/data/timestamp') generated = Math.max(generated, Math.floor(Number(text)) || 0);
    else if (path === 'repomd/data/location') file = { ...file, href: attributes['href'] ?? '' };
    else if (path === 'repomd/data/checksum' && attributes['type'] === 'sha256') file = { ...file, sha256: text };
    else if (path === 'repomd/data') {
      files.push({ type: attributes['type'] ?? '', href: '', ...file });
      file = {};
    }
  });
  // The root ends last.
  if (root !== 'repomd') throw new Error(`not a repomd.xml: its root element is <${root}>`);
  return { revision, generated, files };
}

/** Base URLs in a metalink for repomd.xml (metalink 3, as mirror managers serve it), preferred ones first. */
export function parseMetalink(xml: string): string[] {
  const parser = new SaxesParser();
  const found: { url: string; preference: number }[] = [];
  let preference = 0;
  let text = '';
  parser.on('error', (error) => {
    throw error;
  });
  parser.on('opentag', ({ name, attributes }) => {
    text = '';
    if (localName(name) === 'url') preference = Number(attributes['preference'] ?? 0);
  });
  parser.on('text', (piece) => {
    text += piece;
  });
  parser.on('closetag', ({ name }) => {
    const url = text.trim();
    if (localName(name) === 'url' && /^(https?|file):/.test(url) && url.endsWith('repodata/repomd.xml')) {
      found.push({ url: url.slice(0, -'repodata/repomd.xml'.length), preference });
    }
    text = '';
  });
  parser.write(xml).close();
  return found.sort((a, b) => b.preference - a.preference).map(({ url }) => url);
}

/** Base URLs in a mirror list: one a line. */
export function parseMirrorlist(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => /^(https?|file):/.test(line));
}

/** How many mirrors of a list are tried before giving up. */
const MIRROR_TRIES = 5;

async function mirrorsOf(repo: RepoDefinition, task: Task): Promise<readonly string[]> {
  if (repo.baseurl.length > 0) return repo.baseurl;
  const list = repo.metalink ?? repo.mirrorlist;
  if (list === undefined) return [];
  try {
    const text = new TextDecoder().decode(await fetchBytes(list, task));
    const mirrors =
      repo.metalink !== undefined || text.trimStart().startsWith('<') ? parseMetalink(text) : parseMirrorlist(text);
    return mirrors.slice(0, MIRROR_TRIES);
  } catch (error) {
    task.signal.throwIfAborted();
    throw unreachable(repo, `${list}: ${error instanceof Error ? error.message : String(error)}`, error);
  }
}

function unreachable(repo: RepoDefinition, why: string, cause?: unknown): NightlyError {
  return new NightlyError('repo-unreachable', `Repository "${repo.id}" cannot be read: ${why}`, {
    hint: 'Check its address in the .repo file and the network, then run again.',
    place: { file: repo.file, line: repo.line },
    ...(cause === undefined ? {} : { cause }),
  });
}

const localName = (name: string): string => name.slice(name.indexOf(':') + 1);
