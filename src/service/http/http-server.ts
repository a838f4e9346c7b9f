import { createServer } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { getRequestListener } from '@hono/node-server';
import type { Hono } from 'hono';
import type { Address } from '../../config/config.ts';
import { addressGroup } from './address.ts';
import { type ConnectionLimits, createConnections } from './connections.ts';
import { createGate, type Gate } from './gate.ts';
import { listening } from './listen.ts';
import { createTurns } from './turns.ts';

/** More than all places for requests together (request-kinds.ts); a page and its live updates need two. */
export const CONNECTION_LIMITS: ConnectionLimits = {
  total: 512,
  each: 256,
  unread: 32 * 1024 * 1024,
};
const SWEEP_MS = 1000;
/** Between two looks at which answers are still under way while a server stops. */
const STOP_LOOK_MS = 50;

/** Health probes do not wait for other requests; their answers take a tenth of a millisecond. */
const PROBES_EACH_ROUND = 8;

/** The raw answer to a connection that is refused before it has sent a request. */
const REFUSAL =
  'HTTP/1.1 503 Service Unavailable\r\nRetry-After: 2\r\nConnection: close\r\nContent-Length: 0\r\nX-Content-Type-Options: nosniff\r\n\r\n';

export interface HttpServer {
  /** `http://HOST:PORT` */
  readonly url: string;
  /** Takes no more requests, and cuts those under way once the time is over. @param graceMs default: at once */
  stop(graceMs?: number): Promise<void>;
}

/**
 * Serves an app with limits that a slow or large request runs into: head within 10 s and 16 KiB, all of a request within
 * 20 s, idle connections for 5 s, a minute in which neither side takes anything, a thousand requests a connection. Requests
 * of one connection are read and worked on one after another, each once the answer before it was read: whoever does not
 * read keeps one answer, not fifty. Port 0 takes a free one.
 * @param setting that has the address, for messages
 * @param limits of connections
 * @throws NightlyError `usage` when the address is taken or not this machine's.
 */
export async function serveHttp(
  app: Hono,
  { host, port }: Address,
  setting = 'service.listen',
  limits = CONNECTION_LIMITS,
): Promise<HttpServer> {
  const answer = getRequestListener(app.fetch);
  const connections = createConnections(limits);
  const [turns, probes] = [createTurns(), createTurns(PROBES_EACH_ROUND)];
  const gates = new WeakMap<object, Gate>();
  const server = createServer(
    {
      headersTimeout: 10_000,
      requestTimeout: 20_000,
      keepAliveTimeout: 5000,
      connectionsCheckingInterval: 1000,
      maxHeaderSize: 16_384,
    },
    (request, response) => {
      gates.get(request.socket)?.begun(request, response, /^\/events(\?|$)/.test(request.url ?? ''));
      void answer(request, response);
    },
  );
  // Starts anew whenever something is read or written, so it cuts off only where nothing moves any more.
  server.timeout = 60_000;
  server.maxRequestsPerSocket = 1000;
  // HTTP reads what the gates let through; it would read whole connections at once.
  const readers = server.listeners('connection');
  const attach = (stream: Duplex): void => {
    for (const reader of readers) Reflect.apply(reader, server, [stream]);
  };
  server.removeAllListeners('connection');
  server.on('connection', (socket: Socket) => {
    turns.arrived();
    const who = addressGroup(socket.remoteAddress);
    if (!connections.makeRoom(who)) {
      socket.on('error', () => undefined).end(REFUSAL, () => socket.destroy());
      return;
    }
    const gate = createGate(socket, {
      ...{ who, turns, probes, attach },
      onDoing: (doing) => connections.note(gate.stream, doing),
    });
    gates.set(gate.stream, gate);
    connections.add(gate.stream, who);
  });
  const sweeping = setInterval(() => connections.sweep(), SWEEP_MS).unref();
  await listening(server, { host, port }, setting);
  const address = server.address();
  const bound = typeof address === 'object' && address ? address.port : port;
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${bound}`,
    async stop(graceMs = 0) {
      const closed = new Promise((settle) => server.close(settle));
      const until = performance.now() + graceMs;
      while (connections.size > 0 && performance.now() < until) {
        connections.endIdle();
        await sleep(STOP_LOOK_MS);
      }
      clearInterval(sweeping);
      connections.endAll();
      await closed;
    },
  };
}
