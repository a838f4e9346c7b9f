import type { ByteReader } from '../../base/byte-reader.ts';
import type { Hello } from '../push/push-protocol.ts';

/** The far end of a push. */
export interface Pusher {
  readonly reader: ByteReader;
  /** Sends a message. */
  tell(message: object): void;
  /** Sends bytes that a message announced. */
  send(bytes: Uint8Array): void;
}

/** What is known of a push by its end, whatever became of it. */
export interface Progress {
  hello?: Hello;
  refs: readonly { readonly ref: string; readonly old?: string; readonly new: string }[];
  bytes: number;
}
