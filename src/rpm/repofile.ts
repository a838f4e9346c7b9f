import { dirname, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Connection, type Login, loginIn, originOf, type TlsSettings } from '../base/connection.ts';
import { definedOnly } from '../base/defined-only.ts';
import { NightlyError } from '../base/errors.ts';
import { keepSecret, withoutUserinfo } from '../base/redact.ts';
import { IniError, type IniSection, parseIni } from './ini-reader.ts';
import { isRepoId } from './rpm-names.ts';

/** One section of a .repo file (dnf.conf(5)), with its variables substituted. */
export interface RepoDefinition {
  readonly id: string;
  /** Absolute path of the .repo file. */
  readonly file: string;
  /** 1-based line of its section. */
  readonly line: number;
  /** Addresses are without user and password, which are in `connection`. */
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
 * Parses one .repo file as dnf does: see parseIni; a value may stand in quotes; names of options and variables are taken as
 * they are written. Relative `file:` paths and bare paths of gpgkey, baseurl and certificates count from the file's folder.
 * @param published names of variables that everybody may read, which no user or password can be made of
 * @throws NightlyError `config` with its place, also for a value that dnf would not take and silently leave out.
 */
export function parseRepoFile(
  text: string,
  file: string,
  variables: Readonly<Record<string, string>>,
  published: readonly string[] = [],
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
      return repoOf(id, readOptions(section, file, variables, published), place);
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
  ...['proxy_sslverify', 'proxy_sslcacert', 'proxy_sslclientcert', 'proxy_sslclientkey'],
] as const;

/** How a proxy is reached over TLS. */
const PROXY_TLS = ['proxy_sslverify', 'proxy_sslcacert', 'proxy_sslclientcert', 'proxy_sslclientkey'] as const;

const LISTS: readonly string[] = ['baseurl', 'gpgkey'];
const BOOLEANS: readonly string[] = ['gpgcheck', 'repo_gpgcheck', 'sslverify', 'proxy_sslverify', 'enabled'];

/** Returns the options with their variables filled in and without quotes, passwords known as such. */
function readOptions(
  section: IniSection,
  file: string,
  variables: Readonly<Record<string, string>>,
  published: readonly string[],
): Readonly<Record<string, string>> {
  const told = Object.fromEntries(published.map((name) => [name, '']));
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
    if (credentialsIn(key, substitute(value, told)) !== credentialsIn(key, value)) {
      throw fail(
        `${key} has a variable of the treefile in its user or password, and the treefile is published with each build.`,
        'Write user and password out here: what is copied of a .repo file goes without them.',
      );
    }
    options[key] = unquoted(filled === 'None' ? '' : filled);
    if (BOOLEANS.includes(key)) refuseNoBoolean(key, options[key], fail);
  }
  for (const value of secretsIn(options)) keepSecret(value);
  return options;
}

/** Options with what a repository or a proxy lets in for. */
const CREDENTIALS: readonly string[] = ['username', 'password', 'proxy_username', 'proxy_password'];

const USERINFO = /([a-z][a-z0-9+.-]*:\/\/)[^\s/?#,"']*@/gi;

/** Returns what of an option's value is a user or a password. */
function credentialsIn(key: string, value: string): string {
  if (CREDENTIALS.includes(key)) return value;
  return [...value.matchAll(USERINFO)].map(([found]) => found).join(' ');
}

/**
 * Returns a .repo file without users and passwords, for a copy that others may see: options that are one are remarks in it,
 * addresses go without. All else stays in its line.
 */
export function withoutCredentials(text: string): string {
  let dropped = false;
  const lines = text.split('\n').map((line) => {
    // What is indented belongs to the option before.
    if (!/^[ \t\r]/.test(line) || line.trim() === '') {
      const [, key = ''] = /^([\w.-]+)[ \t]*=/.exec(line) ?? [];
      dropped = CREDENTIALS.includes(key.toLowerCase());
      if (dropped) return `# ${key} is not copied`;
    }
    return dropped ? '#' : line.replace(USERINFO, '$1');
  });
  return lines.join('\n');
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
  const [bases, keys] = [urls(baseurl, place.file), urls(gpgkey, place.file)];
  const addresses = [...bases, metalink ?? '', mirrorlist ?? ''];
  return {
    id,
    ...place,
    baseurl: bases.map(withoutUserinfo),
    ...(metalink ? { metalink: withoutUserinfo(metalink) } : {}),
    ...(mirrorlist ? { mirrorlist: withoutUserinfo(mirrorlist) } : {}),
    gpgcheck: TRUE.test(gpgcheck ?? ''),
    gpgkey: keys.map(withoutUserinfo),
    connection: { ...connectionOf(options, place.file), ...serverLogins([...addresses, ...keys]) },
    options: Object.fromEntries(Object.entries(options).filter(([key]) => !CREDENTIALS.includes(key))),
  };
}

/** Whether dnf uses a repository that nobody names. */
export function isEnabled({ options }: Pick<RepoDefinition, 'options'>): boolean {
  return TRUE.test(options['enabled'] ?? '1');
}

/** Returns the logins that stand in addresses, each for its own server. */
function serverLogins(addresses: readonly string[]): Pick<Connection, 'serverLogins'> {
  const logins = addresses.flatMap((url) => {
    const [login, origin] = [loginIn(url), originOf(url)];
    return login && origin !== undefined ? [{ origin, login }] : [];
  });
  return logins.length === 0 ? {} : { serverLogins: logins };
}

/** Returns how dnf reaches the repository (dnf.conf(5)); what is not said here is left to the environment. */
function connectionOf(options: Readonly<Record<string, string>>, file: string): Connection {
  const path = (key: string): string | undefined => {
    const value = options[key] ?? '';
    return value === '' ? undefined : resolve(dirname(file), value);
  };
  const pair = (user: string, password: string): Login | undefined => {
    const username = options[user] ?? '';
    return username === '' ? undefined : { username, password: options[password] ?? '' };
  };
  const tls = (start: 'ssl' | 'proxy_ssl'): TlsSettings => {
    const verify = options[`${start}verify`];
    return definedOnly({
      caFile: path(`${start}cacert`),
      certFile: path(`${start}clientcert`),
      keyFile: path(`${start}clientkey`),
      verify: verify === undefined ? undefined : TRUE.test(verify),
    });
  };
  const { proxy } = options;
  return definedOnly({
    // Empty, or `_none_`: no proxy, whatever the environment says.
    proxy: proxy === undefined || proxy === 'libproxy' ? undefined : proxy.replace(/^_none_$/, ''),
    proxyLogin: pair('proxy_username', 'proxy_password'),
    login: pair('username', 'password'),
    ...tls('ssl'),
    proxyTls: PROXY_TLS.some((key) => options[key] !== undefined) ? tls('proxy_ssl') : undefined,
  });
}

/** Passwords of a section: of its options, and in its URLs. */
function secretsIn(options: Readonly<Record<string, string>>): string[] {
  const inUrls = Object.values(options).flatMap((value) =>
    [...value.matchAll(/:\/\/[^\s/@:?#]*:([^\s/?#]+)@/g)].map(([, password = '']) => password),
  );
  return [options['password'] ?? '', options['proxy_password'] ?? '', ...inUrls, ...inUrls.map(decoded)];
}

/** Returns a password as it is before it is written into a URL. */
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
