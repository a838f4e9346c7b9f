import { BlockList, isIP } from 'node:net';
import { type Connection, loginIn } from './connection.ts';
import { keepSecret, withoutUserinfo } from './redact.ts';

/** Variables of the environment that say which proxy is asked. */
export const PROXY_VARIABLES = [
  'http_proxy',
  'https_proxy',
  'HTTPS_PROXY',
  'all_proxy',
  'ALL_PROXY',
  'no_proxy',
  'NO_PROXY',
] as const;

/**
 * Returns the proxy for a server, by curl's rules (curl(1), "Environment"): the connection's own, else the
 * environment's, unless `no_proxy` names the server. `HTTP_PROXY` in capitals does not count, for a CGI program has a
 * client's header there.
 * @throws Error that names a proxy which is none
 */
export function proxyFor(
  server: URL,
  connection: Connection = {},
  env: Readonly<Record<string, string | undefined>> = process.env,
): string | undefined {
  const own = connection.proxy;
  const name = server.protocol === 'https:' ? env['https_proxy'] || env['HTTPS_PROXY'] : env['http_proxy'];
  const proxy = own ?? (name || env['all_proxy'] || env['ALL_PROXY']);
  if (!proxy) return undefined;
  if (isExempt(server, env['no_proxy'] ?? env['NO_PROXY'] ?? '')) return undefined;
  const url = /^[a-z][a-z0-9+.-]*:\/\//i.test(proxy) ? proxy : `http://${proxy}`;
  if (URL.canParse(url) && PROXY_KINDS.includes(new URL(url).protocol)) return url;
  throw new Error(
    `"${withoutUserinfo(proxy)}" ${own === undefined ? 'in the environment' : 'in proxy= of the .repo file'} is no proxy that can be asked: its URL begins with http, https, socks4, socks4a, socks5 or socks5h`,
  );
}

const PROXY_KINDS = ['http:', 'https:', 'socks:', 'socks4:', 'socks4a:', 'socks5:', 'socks5h:'];

/** Whether a list of names, addresses and networks has the server; a name stands for everything below it as well. */
function isExempt(server: URL, list: string): boolean {
  const host = server.hostname
    .replace(/^\[|\]$/g, '')
    .replace(/\.$/, '')
    .toLowerCase();
  return list.split(/[\s,]+/).some((word) => {
    if (word === '*') return true;
    const entry = word
      .replace(/^\./, '')
      .replace(/\.$/, '')
      .replace(/^\[(.*)\]$/, '$1')
      .toLowerCase();
    if (entry === '') return false;
    if (isIP(host) !== 0) return entry === host || inNetwork(host, entry);
    return host === entry || host.endsWith(`.${entry}`);
  });
}

function inNetwork(address: string, network: string): boolean {
  const [base = '', bits] = network.split('/');
  const family = isIP(base);
  if (bits === undefined || !/^\d{1,3}$/.test(bits) || family === 0 || Number(bits) > (family === 4 ? 32 : 128))
    return false;
  const list = new BlockList();
  list.addSubnet(base, Number(bits), family === 4 ? 'ipv4' : 'ipv6');
  return list.check(address, isIP(address) === 4 ? 'ipv4' : 'ipv6');
}

/** Returns what a proxy answered in place of the server, as a reason that says which proxy it is and who names it. */
export function proxyAnswer(status: number, url: string, connection: Connection = {}): string {
  const proxy = proxyFor(new URL(url), connection) ?? '';
  const shown = withoutUserinfo(proxy);
  const given = (loginIn(proxy) ?? connection.proxyLogin) !== undefined;
  if (status !== 407) return `the proxy ${shown} does not let it through: it answered HTTP ${status}`;
  const where =
    connection.proxy === undefined
      ? `user and password in ${url.startsWith('https:') ? 'https_proxy' : 'http_proxy'}`
      : 'proxy_username= and proxy_password= of the .repo file';
  return given
    ? `the proxy ${shown} refuses the login (HTTP 407): correct ${where}`
    : `the proxy ${shown} asks for a login (HTTP 407): it takes ${where}`;
}

/**
 * Returns a proxy's URL for libraries that take user and password from there; from now on the password is kept out of
 * messages.
 */
export function proxyUrlWithLogin(proxy: string): URL {
  const login = loginIn(proxy);
  if (login) keepSecret(login.password);
  return new URL(proxy);
}
