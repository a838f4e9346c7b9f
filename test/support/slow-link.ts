import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** What went over a link since `reset`. */
export interface LinkCounts {
  readonly connections: number;
  /** From the client to the server, and back. */
  readonly bytesUp: number;
  readonly bytesDown: number;
  /**
   * The longest chain of "sent after that had arrived", over all connections. Each link of it took a round trip's
   * time, so a stream counts as one however many chunks it has, if nobody waits in between.
   */
  readonly roundTrips: number;
}

export interface SlowLink {
  readonly port: number;
  counts(): LinkCounts;
  reset(): void;
  /** Breaks every open connection as a cut cable and a reset would. */
  cut(): void;
  stop(): Promise<void>;
}

/**
 * A proxy on loopback to another port of it that hands on each chunk half a round trip later, either way. It does not
 * limit the bandwidth, and connecting itself is not delayed. (The kernel's own means, netem, is not there on every machine.)
 */
export async function startSlowLink(to: { readonly port: number; readonly roundTripMs: number }): Promise<SlowLink> {
  const sockets = new Set<Socket>();
  const finished = { connections: 0, bytesUp: 0, bytesDown: 0, roundTrips: 0 };
  let counts = { ...finished };

  const server = createServer((client) => {
    counts.connections += 1;
    const upstream = connect({ host: '127.0.0.1', port: to.port });
    // Round trips whose answer has arrived at the client, and at the server the highest it heard of.
    const arrived = { client: 0, server: 0 };
    handOn(client, upstream, (bytes) => {
      counts.bytesUp += bytes;
      const depth = arrived.client;
      return () => {
        arrived.server = Math.max(arrived.server, depth);
      };
    });
    handOn(upstream, client, (bytes) => {
      counts.bytesDown += bytes;
      const depth = arrived.server + 1;
      return () => {
        if (depth <= arrived.client) return;
        counts.roundTrips += depth - arrived.client;
        arrived.client = depth;
      };
    });
  });

  /** @param note is told of a chunk when it is sent, and gives what to do when it arrives */
  const handOn = (from: Socket, into: Socket, note: (bytes: number) => () => void): void => {
    sockets.add(from);
    from.setNoDelay(true);
    // Timers of one length fire in the order they were set.
    const later = (action: () => void) => setTimeout(action, to.roundTripMs / 2);
    from.on('data', (chunk) => {
      const arrive = note(chunk.length);
      later(() => {
        arrive();
        if (!into.destroyed) into.write(chunk);
      });
    });
    from.on('end', () => later(() => into.end()));
    from.on('error', () => later(() => into.destroy()));
    from.on('close', () => {
      sockets.delete(from);
      later(() => into.destroySoon());
    });
  };

  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const cut = (): void => {
    for (const socket of sockets) socket.resetAndDestroy();
  };
  return {
    port: (server.address() as AddressInfo).port,
    counts: () => ({ ...counts }),
    reset() {
      counts = { ...finished };
    },
    cut,
    async stop() {
      server.close();
      cut();
      await once(server, 'close');
    },
  };
}
