/** A line, or what is in place of one that was too long. */
export type BoundedLine = string | typeof TOO_LONG;
export const TOO_LONG = Symbol('a line that is too long');

/**
 * Returns the lines of a stream that somebody writes who is not believed: of one that is longer than allowed nothing is
 * kept, and the next one is read as usual.
 * @param limit bytes of a line
 */
export async function* boundedLines(stream: AsyncIterable<Uint8Array>, limit: number): AsyncGenerator<BoundedLine> {
  let kept: Buffer[] = [];
  let [bytes, isTooLong] = [0, false];
  for await (const piece of stream) {
    const chunk = Buffer.from(piece);
    for (let from = 0; from < chunk.length; ) {
      const end = chunk.indexOf(0x0a, from);
      const part = chunk.subarray(from, end === -1 ? chunk.length : end);
      from += part.length + 1;
      bytes += part.length;
      if (bytes > limit) [isTooLong, kept] = [true, []];
      else kept.push(part);
      if (end === -1) break;
      yield isTooLong ? TOO_LONG : Buffer.concat(kept).toString('utf8');
      [kept, bytes, isTooLong] = [[], 0, false];
    }
  }
}
