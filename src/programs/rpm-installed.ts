import { existsSync } from 'node:fs';
import { definedOnly } from '../base/defined-only.ts';
import { NightlyError } from '../base/errors.ts';
import { oneLine } from '../base/one-line.ts';
import type { Task } from '../base/task.ts';
import { run } from './exec.ts';
import { rpmDatabase } from './rpm-database.ts';
import { inFolders } from './rpm-files.ts';

/** A package with what its header says of where it comes from. The epoch is "0" when there is none. */
export interface RpmHeader {
  readonly name: string;
  readonly epoch: string;
  readonly version: string;
  readonly release: string;
  readonly arch: string;
  /**
   * `sha256:` and hex of the header without its signature (SHA256HEADER), which covers the payload's digest: it identifies a
   * package however often that is signed. `sha1:` of packages from before rpm 4.14; undefined where a package has neither.
   */
  readonly header?: string;
  /** File name of the source package. */
  readonly source?: string;
  readonly buildHost?: string;
  readonly licence?: string;
  /** Where the sources of the packaging are, as whoever built it says. */
  readonly vcs?: string;
  /** Key id of its signature, 16 hex digits; undefined for one that is not signed. */
  readonly key?: string;
}

/** Text of others: every one of these is quoted, so that no line break or quote in it can pass for an end. */
const TEXTS = ['NAME', 'VERSION', 'RELEASE', 'ARCH', 'SHA256HEADER', 'SHA1HEADER'];
const DETAILS = ['SOURCERPM', 'BUILDHOST', 'LICENSE', 'VCS'];
/** Over the header, and, in older packages, over header and payload. */
const SIGNATURES = ['RSAHEADER', 'DSAHEADER', 'SIGPGP', 'SIGGPG'];

const FORMAT = [
  "'%{EPOCHNUM}'",
  ...[...TEXTS, ...DETAILS].map((tag) => `%|${tag}?{%{${tag}:shescape}}:{''}|`),
  ...SIGNATURES.map((tag) => `'%|${tag}?{%{${tag}:pgpsig}}:{}|'`),
].join(' ');

const FIELDS = 1 + TEXTS.length + DETAILS.length + SIGNATURES.length;

/**
 * Returns the packages that an rpm database says are installed; public keys, which rpm keeps there as well, are left
 * out. A database that is not there has none.
 * @param home an empty folder, so that no .rpmmacros of the user counts
 */
export async function listInstalled(database: string, home: string, task: Task): Promise<RpmHeader[]> {
  if (!existsSync(database)) return [];
  const { args: place, cwd } = rpmDatabase(database);
  const args = [...place, '--query', '--all', '--queryformat', `${FORMAT}\\n`];
  const { stdout } = await run('rpm', args, { task, data: true, env: { HOME: home }, cwd });
  return parseHeaders(stdout).filter(({ name }) => name !== '' && name !== 'gpg-pubkey');
}

/** Reads the headers of RPM files, in the order of the files; signatures are not checked. @param home an empty folder */
export async function readHeaders(files: readonly string[], home: string, task: Task): Promise<RpmHeader[]> {
  const flags = ['--query', '--package', '--nomanifest', '--nosignature', '--nodigest'];
  const found: RpmHeader[] = [];
  for (const { cwd, names } of inFolders(files)) {
    const args = [...flags, '--queryformat', `${FORMAT}\\n`, '--', ...names];
    found.push(...parseHeaders((await run('rpm', args, { task, data: true, cwd, env: { HOME: home } })).stdout));
  }
  return found;
}

/** Parses what rpm prints by FORMAT. */
export function parseHeaders(printed: string): RpmHeader[] {
  const values = quotedValues(printed);
  if (values === undefined || values.length % FIELDS !== 0) {
    throw new NightlyError('tool-failed', 'What rpm printed of packages cannot be read.', {
      hint: 'The step log has it. An rpm that quotes otherwise is not known here: report it.',
    });
  }
  return Array.from({ length: values.length / FIELDS }, (_, at) =>
    headerOf(values.slice(at * FIELDS, (at + 1) * FIELDS)),
  );
}

/** Returns values that are quoted as for a shell (lib/formats.c, `shescapeFormat`); undefined when the last has no end. */
function quotedValues(text: string): string[] | undefined {
  const values: string[] = [];
  for (let at = text.indexOf("'"); at >= 0; at = text.indexOf("'", at + 1)) {
    let value = '';
    for (let open = true; open; ) {
      const end = text.indexOf("'", at + 1);
      if (end < 0) return undefined;
      value += text.slice(at + 1, end);
      // A quote in a value: the text ends, a quote follows, and the text goes on.
      open = text.startsWith("'\\''", end);
      if (open) value += "'";
      at = open ? end + 3 : end;
    }
    values.push(value);
  }
  return values;
}

function headerOf(values: readonly string[]): RpmHeader {
  const [epoch = '0', name = '', version = '', release = '', arch = '', sha256 = '', sha1 = '', ...more] = values;
  const [source, buildHost, licence, vcs] = more.slice(0, DETAILS.length).map(plain);
  const key = more
    .slice(DETAILS.length)
    .map(keyOf)
    .find((one) => one !== undefined);
  const header = /^[0-9a-f]{64}$/.test(sha256) ? `sha256:${sha256}` : olderHeader(sha1);
  return { name, epoch, version, release, arch, ...definedOnly({ header, source, buildHost, licence, vcs, key }) };
}

const olderHeader = (sha1: string): string | undefined => (/^[0-9a-f]{40}$/.test(sha1) ? `sha1:${sha1}` : undefined);

/** No licence is as long; a header may hold megabytes. */
const MOST_CHARACTERS = 2000;

/** A text of a header on one line, without control characters; bytes that are no UTF-8 are U+FFFD. */
function plain(text: string): string | undefined {
  const line = oneLine(text).trim();
  if (line === '') return undefined;
  const characters = [...line.slice(0, 2 * MOST_CHARACTERS + 1)];
  return characters.length <= MOST_CHARACTERS ? line : `${characters.slice(0, MOST_CHARACTERS).join('')}…`;
}

const keyOf = (signature: string): string | undefined =>
  /\bKey ID ([0-9a-f]{16})\b/i.exec(signature)?.[1]?.toLowerCase();
