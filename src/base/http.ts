import type { ReadableStream } from 'node:stream/web';
import { createSecureContext, type SecureContext } from 'node:tls';
import { AbortError } from 'p-retry';
import {
  Agent,
  buildConnector,
  Dispatcher,
  errors,
  Headers,
  Pool,
  ProxyAgent,
  type RequestInit,
  Response,
  fetch as undiciFetch,
} from 'undici';
import { caFileFor } from './ca-files.ts';
import { CA_VARIABLES, tlsFiles } from './certificates.ts';
import { basicAuth, type Connection, loginFor, loginIn, type TlsSettings } from './connection.ts';
import { connectionFault, PROXY_SILENT, RefusedConnection, reasonOf } from './connection-faults.ts';
import { formatBytes } from './format.ts';
import { PROXY_VARIABLES, proxyFor } from './proxies.ts';
import { MOST_READ_BYTES } from './read-limit.ts';
import { keepSecret, withoutUserinfo } from './redact.ts';
import { isSocks, throughSocks } from './socks.ts';

/**
 * The one HTTP client of the program. It honours what curl does, and with it dnf and ostree: proxies of the environment, HTTP and SOCKS
 * (`http_proxy`, `https_proxy`, `all_proxy`, `no_proxy`), certificates that the system trusts (`SSL_CERT_FILE`,
 * `CURL_CA_BUNDLE`), and what a Connection says. Node's own fetch() honours none of these; a rule of the linter keeps
 * it out.
 */

/** The answer to a request. */
export type HttpResponse = Response;

/** Returns an answer that another program got. */
export function makeResponse(body: Uint8Array, status: number): HttpResponse {
  // Some have none by definition, such as 204.
  return new Response(body.length === 0 ? null : body, { status });
}

/** Returns the answer with what its body was made into. */
export function withBody(response: HttpResponse, body: ReadableStream): HttpResponse {
  return new Response(body, response);
}

/**
 * Returns the whole body of an answer.
 * @param onPart called with each part that arrives
 * @throws AbortError of p-retry when it is longer than fits into memory: a server that sends without an end is not asked again.
 */
export async function bodyOf(
  response: HttpResponse,
  onPart: () => void = () => undefined,
  mostBytes = MOST_READ_BYTES,
): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of partsOf(response)) {
    onPart();
    length += chunk.length;
    if (length > mostBytes) throw new AbortError(`it is longer than ${formatBytes(mostBytes)}`);
    chunks.push(chunk);
  }
  return new Uint8Array(Buffer.concat(chunks));
}

/**
 * Returns the body of an answer as it comes.
 * @throws Error in words when the connection ends before all of it has come: the client library says `terminated`.
 */
export async function* partsOf({ body }: HttpResponse): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of body ?? []) yield chunk;
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new Error('the connection ended before all of it had come', { cause: error });
  }
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
  const login = loginFor(url, connection);
  const headers = { ...(login ? { authorization: basicAuth(login) } : {}), ...plainHeaders(init.headers) };
  const response = await undiciFetch(withoutUserinfo(url), {
    ...init,
    headers,
    dispatcher: dispatcherFor(withCa(url, connection)),
  }).catch((error: unknown) => {
    init.signal?.throwIfAborted();
    throw connectionFault(error, url, connection);
  });
  if (response.status !== 206 || new Headers(headers).has('range')) return response;
  // It counts as a good answer, and what came would be taken for the whole.
  await response.body?.cancel();
  throw new Error('it sent a part of what was asked for (HTTP 206), although all of it was');
}

function withCa(url: string, connection: Connection): Connection {
  const caFile = connection.caFile ?? caFileFor(url);
  return caFile === undefined ? connection : { ...connection, caFile };
}

type HeaderMap = Readonly<Record<string, string>>;

function plainHeaders(headers: RequestInit['headers']): HeaderMap {
  return Object.fromEntries(new Map(headers instanceof Map ? headers : Object.entries(headers ?? {})));
}

/** Dispatchers keep connections open between requests: one for each way to connect. */
const dispatchers = new Map<string, Dispatcher>();

const DISPATCHER_VARIABLES = [...PROXY_VARIABLES, ...CA_VARIABLES];

function dispatcherFor(connection: Connection): Dispatcher {
  const key = JSON.stringify([connection, ...DISPATCHER_VARIABLES.map((name) => process.env[name])]);
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
  #options: TlsOptions | undefined;

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
    const made = this.#made(proxy, origin);
    this.#byProxy.set(key, made);
    return made;
  }

  #made(proxy: string | undefined, origin: URL): Dispatcher {
    if (proxy === undefined) return new Agent({ connect: this.#tls() });
    if (isSocks(proxy)) return new Agent({ connect: this.#socksConnector(proxy) });
    return this.#proxyAgent(proxy, origin);
  }

  #socksConnector(proxy: string): buildConnector.connector {
    const connectTls = buildConnector(this.#tls());
    return (options, done) => {
      const port = Number(options.port) || (options.protocol === 'https:' ? 443 : 80);
      throughSocks(proxy, this.#connection.proxyLogin, { host: options.hostname, port }).then(
        (httpSocket) => {
          if (options.protocol === 'https:') connectTls({ ...options, httpSocket }, done);
          else done(null, httpSocket);
        },
        (error: unknown) => done(error instanceof Error ? error : new Error(String(error)), null),
      );
    };
  }

  #proxyAgent(proxy: string, origin: URL): Dispatcher {
    const login = loginIn(proxy) ?? this.#connection.proxyLogin;
    if (login) keepSecret(login.password);
    return new ProxyAgent({
      uri: withoutUserinfo(proxy),
      proxyTunnel: origin.protocol === 'https:',
      ...(login ? { token: basicAuth(login) } : {}),
      requestTls: this.#tls(),
      proxyTls: tlsOptions(this.#connection.proxyTls ?? {}),
      clientFactory: (address, options) => new ProxyPool(address, options),
    });
  }

  #tls(): TlsOptions {
    this.#options ??= tlsOptions(this.#connection);
    return this.#options;
  }
}

/**
 * Connections to a proxy. undici takes a tunnel whose connection is closed before the proxy answers for one that went stale, and asks
 * again at once, without an end; so that fault loses the code by which it is known.
 */
class ProxyPool extends Pool {
  override connect(options: Dispatcher.ConnectOptions): Promise<Dispatcher.ConnectData>;
  override connect(
    options: Dispatcher.ConnectOptions,
    callback: (error: Error | null, data: Dispatcher.ConnectData) => void,
  ): void;
  override connect(
    options: Dispatcher.ConnectOptions,
    callback?: (error: Error | null, data: Dispatcher.ConnectData) => void,
  ): Promise<Dispatcher.ConnectData> | undefined {
    if (callback) {
      super.connect(options, callback);
      return undefined;
    }
    return super.connect(options).catch((error: unknown) => {
      throw error instanceof errors.SocketError ? new Error(PROXY_SILENT) : error;
    });
  }
}

interface TlsOptions {
  readonly secureContext: SecureContext;
  readonly rejectUnauthorized: boolean;
}

function contextOf(settings: TlsSettings): SecureContext {
  const files = tlsFiles(settings);
  try {
    return createSecureContext(files);
  } catch (error) {
    // OpenSSL does not say which; what the system trusts is in order.
    const { certFile, keyFile, caFile } = settings;
    const names = [...new Set([certFile, keyFile, caFile])].filter((path) => path !== undefined);
    const why = `${names.join(', ') || 'what this machine trusts'} cannot be used: ${reasonOf(error)}`;
    throw new RefusedConnection(why, { cause: error });
  }
}

function tlsOptions(settings: TlsSettings): TlsOptions {
  return { secureContext: contextOf(settings), rejectUnauthorized: settings.verify ?? true };
}
