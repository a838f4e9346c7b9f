import { createServer } from 'node:http';
import { getRequestListener } from '@hono/node-server';
import type { Hono } from 'hono';
import type { Address } from '../config/config.ts';
import { listening } from './listen.ts';

/** Open connections at the same time; a page and its live updates need two. */
const MAX_CONNECTIONS = 256;

export interface HttpServer {
  /** `http://HOST:PORT` */
  readonly url: string;
  /** Takes no more requests and cuts those under way. */
  stop(): Promise<void>;
}

/**
 * Serves an app with limits that a slow or large request runs into: head within 10 s and 16 KiB, all of a request within
 * 20 s, idle connections for 5 s. Port 0 takes a free one.
 * @throws NightlyError `usage` when the address is taken or not this machine's.
 */
export async function serveHttp(app: Hono, { host, port }: Address): Promise<HttpServer> {
  const server = createServer(
    {
      headersTimeout: 10_000,
      requestTimeout: 20_000,
      keepAliveTimeout: 5000,
      connectionsCheckingInterval: 1000,
      maxHeaderSize: 16_384,
    },
    getRequestListener(app.fetch),
  );
  server.maxConnections = MAX_CONNECTIONS;
  await listening(server, { host, port }, 'service.listen');
  const address = server.address();
  const bound = typeof address === 'object' && address ? address.port : port;
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${bound}`,
    async stop() {
      const closed = new Promise((settle) => server.close(settle));
      server.closeAllConnections();
      await closed;
    },
  };
}
