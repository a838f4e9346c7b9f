import type { Socket } from 'node:net';
import { addressGroup } from './address.ts';

/** What connections may take, in all and of one address. */
export interface ConnectionLimits {
  readonly total: number;
  readonly each: number;
  /** Bytes of answers that wait for their readers, in all. */
  readonly unread: number;
  /** Requests of one connection that wait for the one before them. */
  readonly pipelined: number;
}

/** The connections of a server, and who has to leave when there are too many. */
export interface Connections {
  /** A connection that has just been made: somebody else is ended for it, or it is refused. */
  add(socket: Socket): void;
  /**
   * Begins to work on a request once the one before it was sent. @param lasting whether its answer lasts until its
   * reader is gone
   */
  enter(socket: Socket, lasting: boolean, ended: (then: () => void) => void, begin: () => void): void;
  /** Ends those that were read least recently while more than the allowed bytes wait; called every second or so. */
  sweep(): void;
  readonly size: number;
}

interface Connection {
  readonly socket: Socket;
  readonly address: string;
  doing: 'nothing' | 'request' | 'lasting';
  /** When it last began or ended a request, or its reader took something. */
  changed: number;
  unread: number;
  readonly waiting: (() => void)[];
}

/** A reader that took nothing of its answer for so long makes way before those that do. */
const STALLED_MS = 5000;

/** In the words of HTTP, for one that is refused before it has said what it wants. */
const REFUSAL =
  'HTTP/1.1 503 Service Unavailable\r\nRetry-After: 2\r\nConnection: close\r\nContent-Length: 0\r\nX-Content-Type-Options: nosniff\r\n\r\n';

/**
 * Keeps count of connections so that nobody keeps others out (I15). A newcomer is always let in as long as another
 * connection may make way: of the address that has the most, first one that asks for nothing, the longest idle; then
 * one whose reader does not read; then one with live updates, the oldest. One whose answer is being made stays.
 */
export function createConnections(limits: ConnectionLimits): Connections {
  const all = new Map<Socket, Connection>();
  const addresses = new Map<string, Set<Connection>>();

  /** The lower, the sooner it makes way; undefined: not at all. */
  function rank({ doing, unread, changed }: Connection, now: number): number | undefined {
    if (doing === 'nothing') return 0;
    if (unread > 0 && now - changed > STALLED_MS) return 1;
    return doing === 'lasting' ? 2 : undefined;
  }

  function makeWay(crowd: Iterable<Connection>, now: number): boolean {
    let [victim, lowest]: [Connection | undefined, number] = [undefined, 0];
    for (const one of crowd) {
      const its = rank(one, now);
      if (its === undefined) continue;
      if (victim && (its > lowest || (its === lowest && one.changed >= victim.changed))) continue;
      [victim, lowest] = [one, its];
    }
    if (victim) end(victim);
    return victim !== undefined;
  }

  function end({ socket }: Connection): void {
    forget(socket);
    socket.destroy();
  }

  function forget(socket: Socket): void {
    const connection = all.get(socket);
    if (!connection) return;
    all.delete(socket);
    connection.waiting.length = 0;
    const own = addresses.get(connection.address);
    own?.delete(connection);
    if (own?.size === 0) addresses.delete(connection.address);
  }

  const largest = (): Iterable<Connection> =>
    [...addresses.values()].reduce((most, own) => (own.size > most.size ? own : most), new Set<Connection>());

  return {
    get size() {
      return all.size;
    },
    add(socket) {
      const address = addressGroup(socket.remoteAddress);
      const now = performance.now();
      const own = addresses.get(address);
      const full =
        own && own.size >= limits.each
          ? !makeWay(own, now)
          : all.size >= limits.total && !makeWay(largest(), now) && !makeWay(all.values(), now);
      if (full) {
        socket.on('error', () => undefined).end(REFUSAL, () => socket.destroy());
        return;
      }
      const connection: Connection = { socket, address, doing: 'nothing', changed: now, unread: 0, waiting: [] };
      all.set(socket, connection);
      addresses.set(address, (addresses.get(address) ?? new Set()).add(connection));
      socket.once('close', () => forget(socket));
    },
    enter(socket, lasting, ended, begin) {
      const connection = all.get(socket);
      // It was refused or ended a moment ago.
      if (!connection) return;
      const start = (): void => {
        connection.doing = lasting ? 'lasting' : 'request';
        connection.changed = performance.now();
        ended(() => {
          connection.doing = 'nothing';
          connection.changed = performance.now();
          connection.waiting.shift()?.();
        });
        begin();
      };
      if (connection.doing === 'nothing') start();
      else if (connection.waiting.length < limits.pipelined) connection.waiting.push(start);
      else end(connection);
    },
    sweep() {
      const now = performance.now();
      let unread = 0;
      for (const connection of all.values()) {
        const { writableLength } = connection.socket;
        if (writableLength !== connection.unread) connection.changed = now;
        connection.unread = writableLength;
        unread += writableLength;
      }
      if (unread <= limits.unread) return;
      const waiting = [...all.values()].filter((one) => one.unread > 0).toSorted((a, b) => a.changed - b.changed);
      for (const connection of waiting) {
        if (unread <= limits.unread) break;
        unread -= connection.unread;
        end(connection);
      }
    },
  };
}
