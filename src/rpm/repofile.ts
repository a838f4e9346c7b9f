import { readdir, readFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { NightlyError } from '../base/errors.ts';
import { type Connection, definedOnly, type Login } from '../base/http.ts';
import { keepSecret } from '../base/redact.ts';
import type { Treefile } from '../treefile/treefile.ts';
import { IniError, type IniSection, parseIni } from './ini-reader.ts';
import { isRepoId } from './rpm-names.ts';

/** One section of a .repo file (dnf.conf(5)), with its variables substituted. */
export interface RepoDefinition {
  readonly id: string;
  /** Absolute path of the .repo file. */
  readonly file: string;
  /** 1-based line of its section. */
  readonly line: number;
  readonly baseurl: readonly string[];
  readonly metalink?: string;
  readonly mirrorlist?: string;
  /** Whether every package of it must be signed by one of `gpgkey`. */
  readonly gpgcheck: boolean;
  readonly gpgkey: readonly string[];
  /** Proxy, login and certificates to reach it with. */
  readonly connection: Connection;
  /** Every other option, substituted. */
  readonly options: Readonly<Record<string, string>>;
}

/**
 * Reads every `*.repo` beside the top treefile, as rpm-ostree does; the host's own repositories never count, and
 * neither does `enabled=`.
 * @throws NightlyError `config` for a file that is not INI or an id defined twice.
 */
export async function readRepoFiles(treefile: Treefile): Promise<RepoDefinition[]> {
  const folder = dirname(treefile.path);
  const files = (await readdir(folder)).filter((name) => name.endsWith('.repo')).sort();
  const variables = repoVariables(treefile);
  const found = new Map<string, RepoDefinition>();
  for (const name of files) {
    const file = join(folder, name);
    for (const repo of parseRepoFile(await readFile(file, 'utf8'), file, variables)) {
      const earlier = found.get(repo.id);
      if (earlier) {
        throw new NightlyError(
          'config',
          `Repository "${repo.id}" is defined twice: in ${earlier.file} and in ${file}.`,
          {
            hint: 'Remove one of the two sections.',
            place: { file, line: repo.line },
          },
        );
      }
      found.set(repo.id, repo);
    }
  }
  return [...found.values()];
}

/**
 * The repositories of a treefile: those of `repos` and `repo-packages`, then, when `locked`, those of `lockfile-repos`. Each once.
 * @throws NightlyError `repo-unknown`, naming the known ids and the .repo files.
 */
export async function treefileRepos(
  treefile: Treefile,
  options: { readonly locked: boolean },
): Promise<RepoDefinition[]> {
  const defined = await readRepoFiles(treefile);
  const { values } = treefile;
  const wanted = new Map<string, string>();
  for (const id of values.repos ?? []) wanted.set(id, `repos/${id}`);
  for (const { repo } of values['repo-packages'] ?? [])
    if (!wanted.has(repo)) wanted.set(repo, `repo-packages/${repo}`);
  if (options.locked)
    for (const id of values['lockfile-repos'] ?? []) if (!wanted.has(id)) wanted.set(id, `lockfile-repos/${id}`);
  return [...wanted].map(([id, origin]) => {
    const repo = defined.find((one) => one.id === id);
    if (repo) return repo;
    const files = [...new Set(defined.map(({ file }) => file))];
    const place = treefile.origins.get(origin) ?? treefile.origins.get(origin.split('/')[0] ?? '');
    throw new NightlyError(
      'repo-unknown',
      `The treefile names the repository "${id}", which no .repo file beside it defines. ${
        defined.length === 0
          ? `There is no repository in any *.repo file in ${dirname(treefile.path)}.`
          : `Defined are ${defined.map((one) => one.id).join(', ')} in ${files.join(', ')}.`
      }`,
      {
        hint: `Correct the id in the treefile, or add a [${id}] section to a .repo file in ${dirname(treefile.path)}.`,
        ...(place ? { place } : {}),
      },
    );
  });
}

/** dnf's variables for a treefile: basearch, arch, releasever (when it has one) and its repovars. */
export function repoVariables({ values }: Treefile): Record<string, string> {
  const basearch = values.basearch ?? 'x86_64';
  return {
    basearch,
    arch: basearch,
    ...(values.releasever === undefined ? {} : { releasever: String(values.releasever) }),
    ...values.repovars,
  };
}

/**
 * Parses one .repo file as dnf does: see parseIni; a value may stand in quotes; names of options and variables are taken as
 * they are written. Relative `file:` paths and bare paths of gpgkey, baseurl and certificates count from the file's folder.
 * @throws NightlyError `config` with its place, also for a value that dnf would not take and silently leave out.
 */
export function parseRepoFile(
  text: string,
  file: string,
  variables: Readonly<Record<string, string>>,
): RepoDefinition[] {
  const ids = new Set<string>();
  return sectionsOf(text, file)
    .filter(({ name }) => name !== 'main')
    .map((section) => {
      const id = substitute(section.name, variables);
      const place = { file, line: section.line };
      if (!isRepoId(id)) {
        throw new NightlyError('config', `"${id}" cannot be the id of a repository.`, {
          hint: 'dnf takes letters, digits, "-", "_", "." and ":".',
          place,
        });
      }
      if (ids.has(id)) {
        throw new NightlyError('config', `Repository "${id}" has two sections in ${file}.`, {
          hint: 'Remove one of the two sections.',
          place,
        });
      }
      ids.add(id);
      return repoOf(id, readOptions(section, file, variables), place);
    });
}

function sectionsOf(text: string, file: string): IniSection[] {
  try {
    return parseIni(text);
  } catch (error) {
    if (!(error instanceof IniError)) throw error;
    throw new NightlyError('config', `This is no .repo file as dnf reads them: ${error.message}.`, {
      hint: 'A .repo file is made of [id] lines, each followed by option=value lines; further lines of a list are indented.',
      place: { file, line: error.line },
      cause: error,
    });
  }
}

/** Options that decide what is trusted and where it comes from: in another case dnf does not know them. */
const READ = [
  ...['baseurl', 'metalink', 'mirrorlist', 'gpgcheck', 'repo_gpgcheck', 'gpgkey', 'sslverify', 'sslcacert'],
  ...['sslclientcert', 'sslclientkey', 'username', 'password', 'proxy', 'proxy_username', 'proxy_password'],
] as const;

const LISTS: readonly string[] = ['baseurl', 'gpgkey'];
const BOOLEANS: readonly string[] = ['gpgcheck', 'repo_gpgcheck', 'sslverify', 'enabled'];

/** The options with their variables filled in and without quotes, passwords known as such. */
function readOptions(
  section: IniSection,
  file: string,
  variables: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  const options: Record<string, string> = {};
  for (const [key, { value, line }] of section.options) {
    const fail = (message: string, hint: string): NightlyError =>
      new NightlyError('config', message, { hint, place: { file, line } });
    const lower = key.toLowerCase();
    if (key !== lower && READ.some((known) => known === lower)) {
      throw fail(`dnf does not know "${key}", so it would have no effect.`, `Write it in lower case: ${lower}.`);
    }
    if (!/^\w[\w.-]*$/.test(key) || key === '__proto__') continue;
    if (READ.some((known) => known === key) && /\$\{\w*:/.test(value)) {
      throw fail(`${key} has a variable with a default, which not every release of dnf knows.`, 'Write the value out.');
    }
    if (value.includes('\n') && !LISTS.includes(key) && READ.some((known) => known === key)) {
      throw fail(`${key} takes one value, and an indented line follows it.`, 'Remove that line, or its indentation.');
    }
    const filled = substitute(value, variables);
    options[key] = unquoted(filled === 'None' ? '' : filled);
    if (BOOLEANS.includes(key)) refuseNoBoolean(key, options[key], fail);
  }
  for (const value of secretsIn(options)) keepSecret(value);
  return options;
}

/** dnf logs a value that it does not know and takes the default: a check that somebody asked for would be off, unseen. */
function refuseNoBoolean(key: string, value: string, fail: (message: string, hint: string) => NightlyError): void {
  if (TRUE.test(value) || FALSE.test(value)) return;
  throw fail(
    `"${value}" is neither yes nor no, so dnf would leave ${key}= out without a word.`,
    `Write ${key}=1 or ${key}=0; a remark goes into a line of its own that begins with "#".`,
  );
}

const TRUE = /^(1|yes|true|on)$/i;
const FALSE = /^(0|no|false|off)$/i;

/** A value in quotes is taken without them; other quotes belong to it (libdnf/conf/OptionBinds.cpp). */
function unquoted(value: string): string {
  const [first] = value;
  return value.length > 1 && (first === '"' || first === "'") && value.endsWith(first) ? value.slice(1, -1) : value;
}

function repoOf(
  id: string,
  all: Readonly<Record<string, string>>,
  place: { file: string; line: number },
): RepoDefinition {
  const { baseurl, metalink, mirrorlist, gpgcheck, gpgkey, ...options } = all;
  return {
    id,
    ...place,
    baseurl: urls(baseurl, place.file),
    ...(metalink ? { metalink } : {}),
    ...(mirrorlist ? { mirrorlist } : {}),
    gpgcheck: TRUE.test(gpgcheck ?? ''),
    gpgkey: urls(gpgkey, place.file),
    connection: connectionOf(options, place.file),
    options,
  };
}

/** How dnf reaches the repository (dnf.conf(5)); what is not said here is left to the environment. */
function connectionOf(options: Readonly<Record<string, string>>, file: string): Connection {
  const path = (key: string): string | undefined => {
    const value = options[key] ?? '';
    return value === '' ? undefined : resolve(dirname(file), value);
  };
  const pair = (user: string, password: string): Login | undefined => {
    const username = options[user] ?? '';
    return username === '' ? undefined : { username, password: options[password] ?? '' };
  };
  const { proxy, sslverify } = options;
  return definedOnly({
    // Empty, or `_none_`: no proxy, whatever the environment says.
    proxy: proxy === undefined || proxy === 'libproxy' ? undefined : proxy.replace(/^_none_$/, ''),
    proxyLogin: pair('proxy_username', 'proxy_password'),
    login: pair('username', 'password'),
    caFile: path('sslcacert'),
    certFile: path('sslclientcert'),
    keyFile: path('sslclientkey'),
    verify: sslverify === undefined ? undefined : TRUE.test(sslverify),
  });
}

/** Passwords of a section: of its options, and in its URLs. */
function secretsIn(options: Readonly<Record<string, string>>): string[] {
  const inUrls = Object.values(options).flatMap((value) =>
    [...value.matchAll(/:\/\/[^\s/@:]*:([^\s/@]+)@/g)].map(([, password = '']) => password),
  );
  return [options['password'] ?? '', options['proxy_password'] ?? '', ...inUrls, ...inUrls.map(decoded)];
}

/** A password as it is before it is written into a URL. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Replaces `$name` and `${name}`; unknown variables stay, as dnf leaves them. Names count as they are written. */
export function substitute(text: string, variables: Readonly<Record<string, string>>): string {
  return text.replace(/\$(?:\{([A-Za-z0-9_]+)\}|([A-Za-z0-9_]+))/g, (whole, braced?: string, bare?: string) => {
    const name = braced ?? bare ?? '';
    return (Object.hasOwn(variables, name) ? variables[name] : undefined) ?? whole;
  });
}

/** A list is parted by blanks, commas and line ends. */
function urls(value: string | undefined, file: string): string[] {
  return (value ?? '')
    .split(/[ ,\n]/)
    .filter((word) => word !== '')
    .map((word) => (/^[a-z][a-z0-9+.-]*:/i.test(word) ? word : pathToFileURL(resolve(dirname(file), word)).href));
}
