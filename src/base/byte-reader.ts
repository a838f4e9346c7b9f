/** The other side ended before it had said all that it announced. */
export class EndedEarly extends Error {
  override readonly name = 'EndedEarly';
}

/** Takes a stream of bytes apart, by lines and by lengths. */
export interface ByteReader {
  /**
   * Returns the next line, without its line feed; undefined at the end of the stream.
   * @throws RangeError for a longer one, EndedEarly for one that is cut short.
   */
  line(longest: number): Promise<string | undefined>;
  /** @throws EndedEarly when there are not so many bytes. */
  bytes(count: number): Promise<Buffer>;
  /** The same in the pieces they come in, for what is too much to have in memory. */
  pieces(count: number): AsyncGenerator<Buffer>;
}

/** Reads a stream of which nobody else reads. */
export function byteReader(stream: AsyncIterable<Uint8Array>): ByteReader {
  const source = stream[Symbol.asyncIterator]();
  let held: Buffer[] = [];
  let length = 0;
  const more = async (): Promise<boolean> => {
    const { value, done } = await source.next();
    if (done) return false;
    held.push(Buffer.from(value.buffer, value.byteOffset, value.byteLength));
    length += value.byteLength;
    return true;
  };
  /** Takes that many bytes, which are held. */
  const take = (count: number): Buffer => {
    const all = held.length === 1 ? (held[0] ?? Buffer.alloc(0)) : Buffer.concat(held);
    held = count === all.length ? [] : [all.subarray(count)];
    length -= count;
    return all.subarray(0, count);
  };
  return {
    async line(longest) {
      for (let from = 0; ; ) {
        const all = held.length <= 1 ? (held[0] ?? Buffer.alloc(0)) : Buffer.concat(held);
        held = all.length === 0 ? [] : [all];
        const end = all.indexOf(0x0a, from);
        if (end > longest || (end < 0 && all.length > longest))
          throw new RangeError(`a line of more than ${longest} bytes`);
        if (end >= 0) return take(end + 1).toString('utf8', 0, end);
        from = all.length;
        if (await more()) continue;
        if (length > 0) throw new EndedEarly('the stream ended within a line');
        return undefined;
      }
    },
    async bytes(count) {
      while (length < count) if (!(await more())) throw new EndedEarly('the stream ended early');
      return take(count);
    },
    async *pieces(count) {
      for (let left = count; left > 0; ) {
        if (length === 0 && !(await more())) throw new EndedEarly('the stream ended early');
        const piece = take(Math.min(left, length));
        left -= piece.length;
        yield piece;
      }
    },
  };
}
