import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { TLSSocket } from 'node:tls';
import type { XmlRpcAnswer, XmlRpcValue } from '../../src/koji/xml-rpc-value.ts';
import { formatAnswer, parseCall } from './koji-dialect.ts';
import { type Caller, KOJI_METHODS } from './koji-methods.ts';
import { Fault, KojiState } from './koji-state.ts';

/**
 * A stand-in for koji's hub, an HTTP or HTTPS server on loopback that keeps the contract that a real one (1.35.3) was
 * recorded to have: one transaction for each request, whose messages leave before it is committed; sessions with call
 * numbers; faults with their codes and texts.
 */
export interface KojiHub {
  /** URL of the hub, and of the folder with its files. */
  readonly server: string;
  readonly topurl: string;
  readonly topdir: string;
  /** What was asked for, in order, with the calls within a multicall after it. */
  readonly calls: string[];
  /** Requests in order; a multicall by its first call: `multiCall addRPMSig`. */
  readonly requests: string[];
  /** The state that has been committed. */
  state(): KojiState;
  /** Changes the state in one transaction, as another user of the hub does; its messages leave before the commit. */
  transaction(change: (state: KojiState, say: Say) => void | Promise<void>, delayMs?: number): Promise<void>;
  /** Who the holder of a client certificate with that common name is, or of that principal. */
  readonly users: Map<string, Caller>;
  /** What happens to the next requests in place of an answer. */
  readonly mishaps: Mishap[];
  /** Ends all sessions as they expire. */
  expireSessions(): void;
  sessionKeys(): string[];
  /** Takes a file's path below the topdir; what it returns is sent in place of the file. */
  onFile: ((path: string) => FileMishap | undefined | Promise<undefined>) | undefined;
  /** Takes what a call comes to; what it returns is answered in its place. */
  onCall: ((method: string, value: XmlRpcValue) => XmlRpcValue) | undefined;
  close(): Promise<void>;
}

/** `lost`: done, without an answer. `cut`: done, with half of an answer. `broken`: not even done. */
export type Mishap = 'lost' | 'cut' | 'broken' | 'offline' | 'login-page' | number;
export type FileMishap = 'missing' | 'cut' | 'broken';

/** Sends a message as CBS's plugin does. */
export type Say = (action: 'postTag' | 'postUntag', tag: string) => Promise<void>;

export interface KojiHubOptions {
  readonly topdir: string;
  /** Server's certificate and key, PEM; clients are known by certificates of `clientCa`. */
  readonly tls?: { readonly file: string; readonly keyFile: string; readonly clientCa: string };
  /** A web server is in front, which knows clients by Kerberos and says who they are, as mod_auth_gssapi does. */
  readonly behindKerberos?: boolean;
  /** Takes the messages; default: nobody. */
  readonly publish?: (payload: string) => Promise<void>;
}

interface HubSession {
  readonly key: string;
  readonly caller: Caller;
  last: number;
  expired: boolean;
}

export async function startKojiHub(options: KojiHubOptions): Promise<KojiHub> {
  const { topdir, tls, behindKerberos = false, publish = async () => undefined } = options;
  let state = new KojiState();
  let writing: Promise<unknown> = Promise.resolve();
  const sessions = new Map<number, HubSession>();
  const calls: string[] = [];
  const requests: string[] = [];
  const mishaps: Mishap[] = [];
  const users = new Map<string, Caller>();
  const say: Say = (action, tag) => publish(JSON.stringify({ action, tag }));

  /** One transaction after another, as the locks of a database have it; readers see the state before it. */
  const transact = async <Result>(work: (state: KojiState) => Promise<Result>): Promise<Result> => {
    const next = writing.then(async () => {
      const copy = state.copy();
      const result = await work(copy);
      state = copy;
      return result;
    });
    writing = next.catch(() => undefined);
    return next;
  };

  const one = async (on: KojiState, caller: Caller | undefined, name: string, params: readonly XmlRpcValue[]) => {
    calls.push(name);
    const method = Object.hasOwn(KOJI_METHODS, name) ? KOJI_METHODS[name] : undefined;
    if (!method) throw new Fault(1000, `Invalid method: ${name}`);
    const last = params.at(-1);
    const named = isKeywords(last) ? last : {};
    const args = isKeywords(last) ? params.slice(0, -1) : params;
    const value = await method({ state: on, caller, topdir, named, args });
    return hub.onCall ? hub.onCall(name, value) : value;
  };

  const many = async (caller: Caller | undefined, list: XmlRpcValue): Promise<XmlRpcValue> =>
    transact(async (shared) => {
      const answers: XmlRpcValue[] = [];
      for (const item of Array.isArray(list) ? list : []) {
        const before = shared.copy();
        try {
          answers.push([await one(shared, caller, String(item.methodName), item.params)]);
        } catch (error) {
          // A call that fails undoes itself; the rest is committed together.
          Object.assign(shared, before);
          const { code, message } = error instanceof Fault ? error : new Fault(1, String(error));
          answers.push({ faultCode: code, faultString: message, traceback: 'left out' });
        }
      }
      return answers;
    });

  const perform = async (caller: Caller | undefined, method: string, params: readonly XmlRpcValue[]) => {
    if (method === 'multiCall') {
      calls.push(method);
      const [list = null] = params;
      requests.push(`multiCall ${Array.isArray(list) ? String(list[0]?.methodName) : ''}`);
      return many(caller, list);
    }
    requests.push(method);
    return transact((copy) => one(copy, caller, method, params));
  };

  const logIn = (request: IncomingMessage): XmlRpcValue => {
    calls.push('sslLogin');
    requests.push('sslLogin');
    const principal = behindKerberos ? String(request.headers['x-remote-user']) : '';
    const name = request.socket instanceof TLSSocket ? commonName(request.socket) : principal;
    const caller = users.get(name);
    if (!caller) throw new Fault(1002, `Unknown user: ${name}`);
    const id = sessions.size + 42;
    const key = `${id}-${'recordedRecordedKey'}`;
    sessions.set(id, { key, caller, last: -1, expired: false });
    return { 'session-id': id, 'session-key': key, 'header-auth': true };
  };

  const asSession = async (headers: IncomingMessage['headers'], method: string, params: readonly XmlRpcValue[]) => {
    const id = Number(headers['koji-session-id']);
    const number = Number(headers['koji-session-callnum']);
    const session = sessions.get(id);
    if (!session || session.key !== headers['koji-session-key'])
      throw new Fault(1002, `Invalid session or bad credentials`);
    if (session.expired) throw new Fault(1007, `session "${id}" has expired`);
    if (session.last > number) throw new Fault(1008, `${session.last} > ${number} (session ${id})`);
    if (session.last === number)
      throw new Fault(1009, `unable to retry call ${number} (method ${method}) for session ${id}`);
    if (method === 'logout') {
      calls.push(method);
      sessions.delete(id);
      return null;
    }
    const value = await perform(session.caller, method, params);
    // Part of the transaction: a call that failed did not use its number.
    session.last = number;
    return value;
  };

  const answerTo = async (request: IncomingMessage, body: string): Promise<XmlRpcAnswer> => {
    try {
      const { method, params } = parseCall(body);
      if (request.url === '/kojihub/ssllogin') return { kind: 'value', value: logIn(request) };
      const { headers } = request;
      const known = headers['koji-session-id'] !== undefined;
      const value = await (known ? asSession(headers, method, params) : perform(undefined, method, params));
      return { kind: 'value', value };
    } catch (error) {
      const { code, message } = error instanceof Fault ? error : new Fault(1, String(error));
      return { kind: 'fault', code, message };
    }
  };

  const answerCall = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await bodyOf(request);
    const mishap = mishaps.shift();
    const headers = { 'content-type': 'text/xml', 'koji-version': '1.35.3' };
    if (mishap === 'broken') return void request.socket.destroy();
    if (mishap === 'login-page') return void response.writeHead(200).end('<html><title>Sign in</title><br></html>');
    if (mishap === 'offline') {
      const outage = formatAnswer({ kind: 'fault', code: 1014, message: 'temporary outage' });
      return void response.writeHead(200, headers).end(outage);
    }
    if (typeof mishap === 'number') return void response.writeHead(mishap).end('no');
    const answer = formatAnswer(await answerTo(request, body));
    if (mishap === 'lost') return void request.socket.destroy();
    if (mishap === 'cut') {
      response.writeHead(200, { ...headers, 'content-length': Buffer.byteLength(answer) });
      response.write(answer.slice(0, answer.length / 2), () => request.socket.destroy());
      return;
    }
    response.writeHead(200, headers).end(answer);
  };

  const hub: KojiHub = {
    ...{ server: '', topurl: '', topdir, calls, requests, users, mishaps, onFile: undefined, onCall: undefined },
    state: () => state,
    async transaction(change, delayMs = 0) {
      await transact(async (copy) => {
        await change(copy, say);
        await new Promise((done) => setTimeout(done, delayMs));
      });
    },
    expireSessions() {
      for (const session of sessions.values()) session.expired = true;
    },
    sessionKeys: () => [...sessions.values()].map(({ key }) => key),
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };

  const answerFile = async (path: string, request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const mishap = await hub.onFile?.(path);
    const file = join(topdir, path);
    const size = await stat(file).then(
      (there) => there.size,
      () => undefined,
    );
    if (mishap === 'missing' || size === undefined) return void response.writeHead(404).end('not here');
    if (mishap === 'broken') return void response.writeHead(200).end('another file');
    response.writeHead(200, { 'content-length': size });
    const stream = createReadStream(file, mishap === 'cut' ? { end: size / 2 } : {});
    stream.pipe(response, { end: mishap !== 'cut' });
    if (mishap === 'cut') stream.on('end', () => request.socket.destroy());
  };

  const listen = (request: IncomingMessage, response: ServerResponse): void => {
    const url = decodeURIComponent(request.url ?? '');
    const answered = url.startsWith('/kojifiles/')
      ? answerFile(url.slice('/kojifiles/'.length), request, response)
      : answerCall(request, response);
    answered.catch((error: unknown) => response.writeHead(500).end(String(error)));
  };
  const server = tls ? createTlsServer(await tlsOptions(tls), listen) : createServer(listen);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const base = `${tls ? 'https' : 'http'}://127.0.0.1:${port}`;
  return Object.assign(hub, { server: `${base}/kojihub`, topurl: `${base}/kojifiles` });
}

const tlsOptions = async ({ file, keyFile, clientCa }: NonNullable<KojiHubOptions['tls']>) => ({
  ...{ cert: await readFile(file), key: await readFile(keyFile), ca: await readFile(clientCa) },
  ...{ requestCert: true, rejectUnauthorized: false },
});

/** Of a certificate that the hub trusts. */
const commonName = (socket: TLSSocket): string =>
  socket.authorized ? String(socket.getPeerCertificate().subject.CN) : '';

const isKeywords = (value: XmlRpcValue | undefined): value is { readonly [name: string]: XmlRpcValue } =>
  typeof value === 'object' && value !== null && '__starstar' in value;

async function bodyOf(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part);
  return Buffer.concat(parts).toString('utf8');
}
