import { createServer as createHttpServer, request } from 'node:http';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { onTestFinished } from 'vitest';

/** What a proxy does to what passes. */
export interface Fault {
  /** Of all connections, how many are reset, each after some bytes from the server: 0 to 1. */
  readonly cut?: number;
  /** Bytes a second of each connection, from the server. */
  readonly bytesPerSecond?: number;
  /** Of all HTTP requests, how many are answered with status 500: 0 to 1. */
  readonly errors?: number;
}

export interface FaultProxy {
  readonly port: number;
  /** Connections that were reset, or requests that were answered with 500. */
  faults(): number;
}

/** A connection that is to be cut is cut within as many bytes. */
const CUT_WITHIN = 30_000;

/** Stands before a server on loopback until the running test ends, and does that fault to what passes. */
export async function startFaultProxy(port: number, fault: Fault): Promise<FaultProxy> {
  return fault.errors === undefined ? tcpProxy(port, fault) : httpProxy(port, fault.errors);
}

async function tcpProxy(port: number, { cut = 0, bytesPerSecond }: Fault): Promise<FaultProxy> {
  let faults = 0;
  const sockets = new Set<Socket>();
  // Whoever has said all is still to be told the rest.
  const server = createServer({ allowHalfOpen: true }, (client) => {
    const upstream = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket));
    }
    upstream.on('error', () => client.destroy());
    client.on('error', () => upstream.destroy());
    client.on('close', () => upstream.destroy());
    client.pipe(upstream);
    let left = Math.random() < cut ? Math.floor(Math.random() * CUT_WITHIN) : Number.POSITIVE_INFINITY;
    void (async () => {
      for await (const chunk of upstream as AsyncIterable<Buffer>) {
        if (chunk.length > left) {
          faults += 1;
          client.write(chunk.subarray(0, left));
          client.resetAndDestroy();
          return;
        }
        left -= chunk.length;
        if (bytesPerSecond !== undefined) await pause((chunk.length / bytesPerSecond) * 1000);
        client.write(chunk);
      }
      client.end();
    })().catch(() => client.destroy());
  });
  await listen(server);
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, faults: () => faults };
}

async function httpProxy(port: number, errors: number): Promise<FaultProxy> {
  let faults = 0;
  const server = createHttpServer((from, to) => {
    if (Math.random() < errors) {
      faults += 1;
      to.writeHead(500).end('injected');
      return;
    }
    const { method, headers, url: path } = from;
    const onward = request({ host: '127.0.0.1', port, method, headers, path }, (answer) => {
      to.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(to);
    });
    onward.on('error', () => to.destroy());
    from.pipe(onward);
  });
  await listen(server);
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, faults: () => faults };
}

function listen(server: Server): Promise<void> {
  return new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
}
