import { createServer } from 'node:http';
import { getRequestListener } from '@hono/node-server';
import type { Hono } from 'hono';
import type { Address } from '../../config/config.ts';
import { type ConnectionLimits, createConnections } from './connections.ts';
import { listening } from './listen.ts';
import { createTurns } from './turns.ts';

/** More than all places for requests together (request-kinds.ts); a page and its live updates need two. */
export const CONNECTION_LIMITS: ConnectionLimits = {
  total: 512,
  each: 256,
  unread: 32 * 1024 * 1024,
  // No browser sends a second request before the first is answered; each that waits takes some kilobytes.
  pipelined: 16,
};
const SWEEP_MS = 1000;

export interface HttpServer {
  /** `http://HOST:PORT` */
  readonly url: string;
  /** Takes no more requests and cuts those under way. */
  stop(): Promise<void>;
}

/**
 * Serves an app with limits that a slow or large request runs into: head within 10 s and 16 KiB, all of a request within
 * 20 s, idle connections for 5 s, a minute in which neither side takes anything, a thousand requests a connection. Requests
 * of one connection are worked on one after another, each once the answer before it was read: whoever does not read keeps
 * one answer, not fifty. Port 0 takes a free one.
 * @throws NightlyError `usage` when the address is taken or not this machine's.
 */
export async function serveHttp(app: Hono, { host, port }: Address): Promise<HttpServer> {
  const answer = getRequestListener(app.fetch);
  const connections = createConnections(CONNECTION_LIMITS);
  const turns = createTurns();
  const server = createServer(
    {
      headersTimeout: 10_000,
      requestTimeout: 20_000,
      keepAliveTimeout: 5000,
      connectionsCheckingInterval: 1000,
      maxHeaderSize: 16_384,
    },
    (request, response) => {
      const lasting = /^\/events(\?|$)/.test(request.url ?? '');
      const begin = (): void => void answer(request, response);
      // Whoever asks whether the process answers does not wait for others; those who are gone by their turn are passed over.
      const isProbe = request.url === '/healthz';
      connections.enter(
        request.socket,
        lasting,
        (then) => response.once('close', then),
        isProbe ? begin : () => turns.wait(() => response.destroyed || begin()),
      );
    },
  );
  // Starts anew whenever something is read or written, so it cuts off only where nothing moves any more.
  server.timeout = 60_000;
  server.maxRequestsPerSocket = 1000;
  server.on('connection', (socket) => {
    turns.arrived();
    connections.add(socket);
  });
  const sweeping = setInterval(() => connections.sweep(), SWEEP_MS).unref();
  await listening(server, { host, port }, 'service.listen');
  const address = server.address();
  const bound = typeof address === 'object' && address ? address.port : port;
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${bound}`,
    async stop() {
      clearInterval(sweeping);
      const closed = new Promise((settle) => server.close(settle));
      server.closeAllConnections();
      await closed;
    },
  };
}
