import { StringDecoder } from 'node:string_decoder';

const LONGEST = 16 << 20;

/**
 * Returns the lines of a stream, which end with a line feed and nothing else. Node's readline also ends one at U+2028
 * and U+2029, which may stand in a file's name.
 * @param carriageReturns whether one of them ends a line as well, as programs that show progress print it
 * A line of more than 16 million characters comes in pieces: text cannot be joined without end.
 */
export async function* linesOf(
  stream: AsyncIterable<Uint8Array>,
  { carriageReturns }: { readonly carriageReturns: boolean },
): AsyncGenerator<string> {
  const decoder = new StringDecoder('utf8');
  const end = carriageReturns ? /\r\n|\n|\r/ : /\n/;
  // Pieces of a line that is not whole yet: joined only once, however many there are.
  let rest: string[] = [];
  let held = 0;
  let afterReturn = false;
  for await (const chunk of stream) {
    const decoded = decoder.write(Buffer.from(chunk));
    const text: string = afterReturn && decoded.startsWith('\n') ? decoded.slice(1) : decoded;
    if (decoded !== '') afterReturn = carriageReturns && text.endsWith('\r');
    const last = Math.max(text.lastIndexOf('\n'), carriageReturns ? text.lastIndexOf('\r') : -1);
    if (last < 0) {
      rest.push(text);
      held += text.length;
      if (held > LONGEST) {
        yield rest.join('');
        [rest, held] = [[], 0];
      }
      continue;
    }
    const whole = rest.join('') + text.slice(0, last + 1);
    rest = [text.slice(last + 1)];
    held = text.length - last - 1;
    yield* whole.split(end).slice(0, -1);
  }
  const unfinished = rest.join('') + decoder.end();
  if (unfinished !== '') yield unfinished;
}
