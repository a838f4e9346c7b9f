/** Where a bus is, and what is wanted of it. */
export interface BusPlace {
  readonly broker: string;
  readonly topic: string;
  /** Names what the broker keeps for this program while it is away. */
  readonly clientId: string;
  /** Whether the broker is to keep anything for it; else no message is taken from those who follow it. */
  readonly isLasting: boolean;
  readonly user?: string | undefined;
  readonly password?: string | undefined;
  /** Certificates in PEM: to trust, of this program, and its key. */
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
}

/** What comes of a connection. */
export interface BusEvents {
  message(payload: Uint8Array): void;
  /** It is there, also when it is there again. */
  up(): void;
  /** It is away, or could not be had; it will be tried again. @param why as a sentence without its end */
  down(why: string): void;
}

/** A connection that is made again whenever it breaks, at growing distances. */
export interface BusConnection {
  connected(): boolean;
  stop(): Promise<void>;
}

/** Milliseconds until a broken connection is tried again: at first, and at most. */
export const RECONNECT_MS = { first: 1000, most: 60_000 } as const;

/** Messages that a broker may send before the first of them is acknowledged. */
export const UNACKNOWLEDGED = 100;
