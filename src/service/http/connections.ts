import type { Duplex } from 'node:stream';
import type { Doing } from './gate.ts';

/** What connections may take, in all and of one address. */
export interface ConnectionLimits {
  readonly total: number;
  readonly each: number;
  /** Bytes of answers that wait for their readers, in all. */
  readonly unread: number;
}

/** The connections of a server, and who has to leave when there are too many. */
export interface Connections {
  /** Whether one more of an address may come; somebody else is ended for it where that is needed. */
  makeRoom(address: string): boolean;
  add(stream: Duplex, address: string): void;
  /** How far a connection is. */
  note(stream: Duplex, doing: Doing): void;
  /** Ends those that were read least recently while more than the allowed bytes wait; called every second or so. */
  sweep(): void;
  /** Ends those that have no request under way. */
  endIdle(): void;
  endAll(): void;
  readonly size: number;
}

interface Connection {
  readonly stream: Duplex;
  readonly address: string;
  doing: Doing;
  /** When it last did something else, or its reader took something. */
  changed: number;
  unread: number;
}

/** A reader that took nothing of its answer for so long makes way before those that do. */
const STALLED_MS = 5000;
/** One that asked for nothing for so long is idle; before, its request may be on its way. */
const IDLE_MS = 1000;

/**
 * Keeps count of connections so that nobody keeps others out (I15). A newcomer is always let in as long as another
 * connection may make way: of the address that has the most, first one that asks for nothing, the longest idle; then one
 * whose reader does not read; then one that has just come or waits for its turn; then one with live updates; of each the
 * oldest. One whose answer is being made stays.
 */
export function createConnections(limits: ConnectionLimits): Connections {
  const all = new Map<Duplex, Connection>();
  const addresses = new Map<string, Set<Connection>>();

  function makeWay(crowd: Iterable<Connection>, now: number): boolean {
    const victim = firstToGo(crowd, now);
    if (victim) end(victim);
    return victim !== undefined;
  }

  function end({ stream }: Connection): void {
    forget(stream);
    stream.destroy();
  }

  function forget(stream: Duplex): void {
    const connection = all.get(stream);
    if (!connection) return;
    all.delete(stream);
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
    makeRoom(address) {
      const now = performance.now();
      const own = addresses.get(address);
      if (own && own.size >= limits.each) return makeWay(own, now);
      return all.size < limits.total || makeWay(largest(), now) || makeWay(all.values(), now);
    },
    add(stream, address) {
      const connection: Connection = { stream, address, doing: 'nothing', changed: performance.now(), unread: 0 };
      all.set(stream, connection);
      addresses.set(address, (addresses.get(address) ?? new Set()).add(connection));
      stream.once('close', () => forget(stream));
    },
    note(stream, doing) {
      const connection = all.get(stream);
      if (!connection) return;
      connection.doing = doing;
      connection.changed = performance.now();
    },
    sweep() {
      const now = performance.now();
      let unread = 0;
      for (const connection of all.values()) {
        const { writableLength } = connection.stream;
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
    endIdle() {
      for (const connection of all.values()) if (connection.doing === 'nothing') end(connection);
    },
    endAll() {
      for (const connection of all.values()) end(connection);
    },
  };
}

/** Returns a connection's place in the order in which they make way, the lower the sooner; undefined: not at all. */
function rank({ doing, unread, changed }: Connection, now: number): number | undefined {
  if (doing === 'nothing' && now - changed > IDLE_MS) return 0;
  if (unread > 0 && now - changed > STALLED_MS) return 1;
  if (doing === 'nothing' || doing === 'waiting') return 2;
  return doing === 'lasting' ? 3 : undefined;
}

/** Returns the connection that makes way before all others of a crowd: the oldest of the lowest rank. */
function firstToGo(crowd: Iterable<Connection>, now: number): Connection | undefined {
  let [first, lowest]: [Connection | undefined, number] = [undefined, 0];
  for (const one of crowd) {
    const its = rank(one, now);
    if (its === undefined) continue;
    if (first && (its > lowest || (its === lowest && one.changed >= first.changed))) continue;
    [first, lowest] = [one, its];
  }
  return first;
}
