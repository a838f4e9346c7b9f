import { readFileSync } from 'node:fs';
import { BlockList, isIP } from 'node:net';
import type { ReadableStream } from 'node:stream/web';
import { createSecureContext, type SecureContext } from 'node:tls';
import { Agent, Dispatcher, ProxyAgent, type RequestInit, Response, fetch as undiciFetch } from 'undici';
import { caFileFor } from './ca-files.ts';
import { definedOnly } from './defined-only.ts';
import { isErrno } from './files.ts';
import { keepSecret, withoutUserinfo } from './redact.ts';

/**
 * The one HTTP client of the program. It honours what curl does, and with it dnf and ostree: proxies of the environment
 * (`http_proxy`, `https_proxy`, `all_proxy`, `no_proxy`), certificates that the system trusts (`SSL_CERT_FILE`,
 * `CURL_CA_BUNDLE`), and what a Connection says. Node's own fetch() honours none of these; a rule of the linter keeps
 * it out.
 */

/** The answer to a request. */
export type HttpResponse = Response;

/** Returns the answer with what its body was made into. */
export function withBody(response: HttpResponse, body: ReadableStream): HttpResponse {
  return new Response(body, response);
}

export interface Login {
  readonly username: string;
  readonly password: string;
}

/** How a server is reached; what is not said is as curl would do it. */
export interface Connection {
  /** URL of a proxy; empty: none, whatever the environment says. */
  readonly proxy?: string;
  readonly proxyLogin?: Login;
  /** Login at the server itself, by basic authentication. */
  readonly login?: Login;
  /** Logins that count for the server of one address alone; they go before `login`. */
  readonly serverLogins?: readonly { readonly origin: string; readonly login: Login }[];
  /** File with the certificates that may vouch for the server, in place of the system's. */
  readonly caFile?: string;
  /** File with a client certificate, and with its key where that is not in the same file; PEM. */
  readonly certFile?: string;
  readonly keyFile?: string;
  /** Whether the server's certificate must be good; default: it must. */
  readonly verify?: boolean;
}

/**
 * Makes a request. A user and password in the URL are sent as basic authentication, and to that server alone.
 * @throws Error whose message says what failed; the signal's reason when it was aborted.
 */
export async function httpFetch(
  url: string,
  init: RequestInit = {},
  connection: Connection = {},
): Promise<HttpResponse> {
  const login = loginIn(url) ?? loginFor(url, connection);
  const headers = { ...(login ? { authorization: basic(login) } : {}), ...plainHeaders(init.headers) };
  try {
    return await undiciFetch(withoutUserinfo(url), {
      ...init,
      headers,
      dispatcher: dispatcherFor(withCa(url, connection)),
    });
  } catch (error) {
    init.signal?.throwIfAborted();
    const reason = reasonOf(error);
    const status = PROXY_ANSWER.exec(reason)?.[1];
    if (status === '407') throw new RefusedConnection(proxyAnswer(407, url, connection), { cause: error });
    if (UNTRUSTED.test(reason)) throw new RefusedConnection(reason, { cause: error });
    throw new Error(status === undefined ? reason : proxyAnswer(Number(status), url, connection), { cause: error });
  }
}

/** What undici says of a proxy that opens no tunnel. */
const PROXY_ANSWER = /Proxy (?:response|Authentication Required) \((\d+)\)/;

/** Someone on the way refused the connection: trying again without another configuration leads to the same. */
export class RefusedConnection extends Error {
  override readonly name = 'RefusedConnection';
}

function loginFor(url: string, { login, serverLogins = [] }: Connection): Login | undefined {
  const origin = originOf(url);
  return serverLogins.find((one) => one.origin === origin)?.login ?? login;
}

/** Returns scheme, host and port of an address; undefined for what is none. */
export function originOf(url: string): string | undefined {
  return URL.canParse(url) ? new URL(url).origin : undefined;
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

function withCa(url: string, connection: Connection): Connection {
  const caFile = connection.caFile ?? caFileFor(url);
  return caFile === undefined ? connection : { ...connection, caFile };
}

type HeaderMap = Readonly<Record<string, string>>;

function plainHeaders(headers: RequestInit['headers']): HeaderMap {
  return Object.fromEntries(new Map(headers instanceof Map ? headers : Object.entries(headers ?? {})));
}

/** Returns what failed, of an error that a request ended with: undici itself says only "fetch failed". */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  // Of several addresses that were tried, the last error says as much as all of them.
  if (error instanceof AggregateError) return reasonOf(error.errors.at(-1) ?? error.message);
  if (cause instanceof Error) return reasonOf(cause);
  const text = error.message === '' && 'code' in error ? String(error.code) : error.message;
  const code = 'code' in error ? String(error.code) : '';
  // TLS has a word of its own for what a server does not take of its client (RFC 8446, 6.2).
  if (/alert (certificate|bad certificate|unknown ca|unsupported certificate|access denied)/i.test(text))
    return `the server refuses the client's certificate, or lacks one: ${text}`;
  return /CERT|SELF_SIGNED|UNABLE_TO_|ERR_TLS|DEPTH_ZERO/.test(code)
    ? `the server's certificate is not trusted: ${text}`
    : text;
}

const UNTRUSTED = /^the server's certificate is not trusted|^the server refuses the client's certificate/;

/** Dispatchers keep connections open between requests: one for each way to connect. */
const dispatchers = new Map<string, Dispatcher>();

function dispatcherFor(connection: Connection): Dispatcher {
  const key = JSON.stringify([connection, ...PROXY_VARIABLES.map((name) => process.env[name])]);
  const before = dispatchers.get(key);
  if (before) return before;
  const made = new ByOrigin(connection);
  dispatchers.set(key, made);
  return made;
}

/** Chooses for each server, also for those that a redirection leads to, whether and which proxy is asked. */
class ByOrigin extends Dispatcher {
  readonly #connection: Connection;
  readonly #byProxy = new Map<string, Dispatcher>();
  #context: SecureContext | undefined;

  constructor(connection: Connection) {
    super();
    this.#connection = connection;
  }

  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    return this.#dispatcher(new URL(String(options.origin))).dispatch(options, handler);
  }

  #dispatcher(origin: URL): Dispatcher {
    const proxy = proxyFor(origin, this.#connection);
    // curl asks a proxy for http: addresses itself, and lets it through to https: ones.
    const key = `${origin.protocol} ${proxy ?? ''}`;
    const before = this.#byProxy.get(key);
    if (before) return before;
    const made = proxy === undefined ? new Agent({ connect: this.#tls() }) : this.#proxyAgent(proxy, origin);
    this.#byProxy.set(key, made);
    return made;
  }

  #proxyAgent(proxy: string, origin: URL): Dispatcher {
    const login = loginIn(proxy) ?? this.#connection.proxyLogin;
    if (login) keepSecret(login.password);
    return new ProxyAgent({
      uri: withoutUserinfo(proxy),
      proxyTunnel: origin.protocol === 'https:',
      ...(login ? { token: basic(login) } : {}),
      requestTls: this.#tls(),
      proxyTls: { secureContext: createSecureContext(definedOnly({ ca: systemCa() })) },
    });
  }

  #tls(): { secureContext: SecureContext; rejectUnauthorized: boolean } {
    const { verify = true } = this.#connection;
    this.#context ??= createSecureContext(tlsFiles(this.#connection));
    return { secureContext: this.#context, rejectUnauthorized: verify };
  }
}

/** Certificates and key of a connection, as Node's TLS takes them. */
export function tlsFiles({ caFile, certFile, keyFile = certFile }: Connection): {
  ca?: Buffer;
  cert?: Buffer;
  key?: Buffer;
} {
  return definedOnly({
    ca: caFile === undefined ? systemCa() : readFileSync(caFile),
    cert: certFile === undefined ? undefined : readFileSync(certFile),
    key: keyFile === undefined ? undefined : readFileSync(keyFile),
  });
}

/** Where Debian, Fedora and CentOS, and SUSE keep what the system trusts; Node has a list of its own instead. */
const SYSTEM_CA = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem',
  '/etc/ssl/ca-bundle.pem',
];

function systemCa(): Buffer | undefined {
  const named = process.env['CURL_CA_BUNDLE'] || process.env['SSL_CERT_FILE'];
  if (named) return readFileSync(named);
  for (const path of SYSTEM_CA) {
    try {
      return readFileSync(path);
    } catch (error) {
      if (!isErrno(error, 'ENOENT')) throw error;
    }
  }
  return undefined;
}

const PROXY_VARIABLES = [
  ...['http_proxy', 'https_proxy', 'HTTPS_PROXY', 'all_proxy', 'ALL_PROXY', 'no_proxy', 'NO_PROXY'],
  ...['CURL_CA_BUNDLE', 'SSL_CERT_FILE'],
] as const;

/**
 * Returns the proxy for a server, by curl's rules (curl(1), "Environment"): the connection's own, else the
 * environment's, unless `no_proxy` names the server. `HTTP_PROXY` in capitals does not count, for a CGI program has a
 * client's header there.
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
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(proxy) ? proxy : `http://${proxy}`;
}

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

/**
 * Returns a proxy's URL for libraries that take user and password from there; from now on the password is kept out of
 * messages.
 */
export function proxyUrlWithLogin(proxy: string): URL {
  const login = loginIn(proxy);
  if (login) keepSecret(login.password);
  return new URL(proxy);
}

/** Returns user and password of a URL. */
export function loginIn(url: string): Login | undefined {
  if (!URL.canParse(url)) return undefined;
  const { username, password } = new URL(url);
  if (username === '' && password === '') return undefined;
  return { username: decoded(username), password: decoded(password) };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // A lone "%": curl takes it as it is.
    return text;
  }
}

const basic = ({ username, password }: Login): string =>
  `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
