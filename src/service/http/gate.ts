import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import type { Turns } from './turns.ts';

/** How far a connection is: without a request, with one that waits for its turn, or with one that is worked on. */
export type Doing = 'nothing' | 'waiting' | 'request' | 'lasting';

/** What a gate needs of the server. */
export interface GateNeeds {
  /** Under which name it takes turns. */
  readonly who: string;
  /** Turns of requests, and of those that only ask whether the process answers. */
  readonly turns: Turns;
  readonly probes: Turns;
  /** Has HTTP read the stream; called with the first bytes. */
  readonly attach: (stream: Duplex) => void;
  /** How far it is, whenever that changes. */
  readonly onDoing: (doing: Doing) => void;
}

/** A connection as HTTP gets it. */
export interface Gate {
  readonly stream: Duplex;
  /** HTTP has read a request. @param lasting whether its answer lasts until its reader is gone */
  begun(request: IncomingMessage, response: ServerResponse, lasting: boolean): void;
}

/** Requests that may wait behind one another. No browser sends a second one before the first is answered. */
export const MAX_PIPELINED = 16;
/** Bytes of a body that nobody takes. None that is read is larger (service-app.ts); of others the rest waits for the answer. */
const MAX_BODY_BYTES = 16 * 1024;
/** Milliseconds after which a connection without a byte is ended; HTTP, with limits of its own, comes with the first. */
const SILENT_MS = 10_000;

const NOTHING = Buffer.alloc(0);
const PROBE = 'GET /healthz ';

/**
 * Puts a gate before HTTP (I15): a parser handed a piece of bytes reads all requests in it at once, and a connection may
 * send a thousand in one. Here each waits for the answer to the one before it, unparsed, and then for the turn of its
 * address; what is behind it is not read from the network. So one connection costs a request a turn, whatever it sends.
 */
export function createGate(socket: Socket, { who, turns, probes, attach, onDoing }: GateNeeds): Gate {
  let held: Buffer = NOTHING;
  // `wanted`: HTTP has taken the piece before.
  let [attached, queued, wanted, ended] = [false, false, true, false];
  let last: IncomingMessage | undefined;
  let unanswered = 0;

  const stream = streamOver(socket, () => {
    wanted = true;
    // It is asked for more before HTTP has what it was given.
    process.nextTick(consider);
  });

  /** Whether more may be read: the next request, or the rest of one. */
  const isOpen = (): boolean =>
    wanted && (unanswered === 0 || (last?.complete === false && last.readableLength < MAX_BODY_BYTES));

  function consider(): void {
    if (queued || stream.destroyed) return;
    // Also while a request is worked on: otherwise nobody would notice that its reader is gone.
    if (held.length === 0) held = read();
    if (held.length === 0 && ended) end();
    if (held.length === 0 || !isOpen()) return;
    queued = true;
    if (unanswered === 0) onDoing('waiting');
    (startsWith(held, PROBE) ? probes : turns).wait(who, deliver);
  }

  function read(): Buffer {
    const bytes: Buffer | null = socket.read();
    return bytes ?? NOTHING;
  }

  function end(): void {
    ended = false;
    if (attached) stream.push(null);
    else stream.destroy();
  }

  function deliver(): void {
    queued = false;
    if (stream.destroyed || !isOpen()) return;
    if (isCrowded(held)) {
      stream.destroy();
      return;
    }
    if (!attached) {
      attached = true;
      attach(stream);
    }
    const end = endOfHead(held);
    const piece = held.subarray(0, end);
    held = held.subarray(end);
    wanted = false;
    stream.push(piece);
  }

  socket.setTimeout(SILENT_MS);
  socket.on('timeout', () => {
    // HTTP counts the time since an answer; whoever waits for a turn is not idle.
    if (queued) socket.setTimeout(socket.timeout ?? SILENT_MS);
    else if (attached) stream.emit('timeout');
    else stream.destroy();
  });
  socket.on('readable', consider);
  socket.on('end', () => {
    ended = true;
    consider();
  });
  socket.on('error', (error) => stream.destroy(error));
  socket.on('close', () => stream.destroy());
  stream.on('error', () => undefined);

  return {
    stream,
    begun(request, response, lasting) {
      unanswered += 1;
      last = request;
      onDoing(lasting ? 'lasting' : 'request');
      response.once('close', () => {
        unanswered -= 1;
        if (unanswered === 0) onDoing('nothing');
        consider();
      });
    },
  };
}

/**
 * Returns the connection as HTTP sees it: what is written goes out, what HTTP is given is pushed by the gate.
 * @param onRead called when HTTP wants more
 */
function streamOver(socket: Socket, onRead: () => void): Duplex {
  const stream = Object.assign(
    new Duplex({
      read: onRead,
      write(chunk, _encoding, done) {
        socket.write(chunk, done);
      },
      writev(chunks, done) {
        socket.write(Buffer.concat(chunks.map(({ chunk }) => chunk)), done);
      },
      final(done) {
        socket.end(done);
      },
      destroy(error, done) {
        socket.destroy();
        done(error);
      },
    }),
    {
      remoteAddress: socket.remoteAddress,
      remotePort: socket.remotePort,
      remoteFamily: socket.remoteFamily,
      setTimeout: (ms: number) => socket.setTimeout(ms),
      destroySoon(): void {
        stream.end(() => stream.destroy());
      },
    },
  );
  return stream;
}

/** Whether more requests wait in these bytes than any client sends; one with a body is not looked behind. */
function isCrowded(held: Buffer): boolean {
  if (!startsWith(held, 'GET ') && !startsWith(held, 'HEAD ')) return false;
  let at = 0;
  for (let heads = 0; at < held.length; heads += 1) {
    if (heads > MAX_PIPELINED) return true;
    at += endOfHead(held.subarray(at));
  }
  return false;
}

const startsWith = (bytes: Buffer, text: string): boolean => bytes.toString('latin1', 0, text.length) === text;

/** Where a first blank line ends, with whichever line ends; the whole length where there is none. */
function endOfHead(bytes: Buffer): number {
  const ends = ['\n\r\n', '\n\n'].flatMap((blank) => {
    const at = bytes.indexOf(blank, 0, 'latin1');
    return at < 0 ? [] : [at + blank.length];
  });
  return Math.min(bytes.length, ...ends);
}
