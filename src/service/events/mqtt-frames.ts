import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';

const CONNECT = 1;
/** The length is written in four bytes at most (MQTT 3.1.1, 2.2.3). */
const LENGTH_BYTES = 4;

/**
 * Follows the packets in a stream of bytes, in whatever pieces they come. A packet counts as too large as soon as its length
 * is announced: the parser behind it would collect up to 256 MB first.
 * @param limit bytes that the next packet may have
 * @returns gives for each piece what is wrong with it; undefined: nothing
 */
export function followPackets(limit: () => number): (piece: Uint8Array) => string | undefined {
  let [state, isFirst]: ['type' | 'length' | 'body', boolean] = ['type', true];
  let [length, bytes, left] = [0, 0, 0];
  return (piece) => {
    for (let at = 0; at < piece.length; ) {
      if (state === 'body') {
        const taken = Math.min(left, piece.length - at);
        [at, left] = [at + taken, left - taken];
        if (left === 0) state = 'type';
        continue;
      }
      const byte = piece[at] ?? 0;
      at += 1;
      if (state === 'type') {
        if (isFirst && byte !== CONNECT << 4) return 'it does not begin with CONNECT';
        [state, isFirst, length, bytes] = ['length', false, 0, 0];
        continue;
      }
      length += (byte & 127) * 128 ** bytes;
      bytes += 1;
      if (length > limit()) return `a packet of ${length} bytes is too large`;
      if (byte < 128) [state, left] = length === 0 ? ['type', 0] : ['body', length];
      else if (bytes === LENGTH_BYTES) return 'a length of more than four bytes';
    }
    return undefined;
  };
}

/**
 * Returns a socket as a broker reads it: what comes in is checked before it is handed on, and is read no faster than
 * the broker takes it. What is refused ends the connection.
 */
export function guardedStream(socket: Socket, check: (piece: Uint8Array) => string | undefined): Duplex {
  const stream = new Duplex({
    read() {
      socket.resume();
    },
    write(chunk, _encoding, done) {
      socket.write(chunk, done);
    },
    final(done) {
      socket.end(done);
    },
    destroy(error, done) {
      socket.destroy();
      done(error);
    },
  });
  stream.on('error', () => undefined);
  socket.on('data', (piece: Buffer) => {
    if (check(piece) !== undefined) stream.destroy();
    else if (!stream.push(piece)) socket.pause();
  });
  socket.on('end', () => stream.push(null));
  socket.on('error', () => stream.destroy());
  socket.on('close', () => stream.destroy());
  return stream;
}
