import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { answerReader } from '../../src/koji/read-answer.ts';
import { formatValue } from '../../src/koji/write-call.ts';
import type { XmlRpcAnswer, XmlRpcValue } from '../../src/koji/xml-rpc-value.ts';

/** The hub's side of the dialect, and what a real hub (koji 1.35.3) was recorded to say. */

const RECORDINGS = join(import.meta.dirname, '../fixtures/koji');

/** One side of a recorded call: its first line, its headers, and its body as it was sent. */
export interface Recorded {
  readonly first: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Returns a recording by its file name, such as `02-login.response`. */
export function recorded(name: string): Recorded {
  const text = readFileSync(join(RECORDINGS, name), 'utf8');
  const [head = '', ...rest] = text.split(/\r?\n\r?\n/);
  const [first = '', ...lines] = head.split(/\r?\n/);
  const headers = Object.fromEntries(lines.map((line) => [line.split(': ')[0] ?? '', line.split(': ')[1] ?? '']));
  return { first, headers, body: rest.join('\n\n') };
}

/** Returns what a document says, read in parts of that many bytes. */
export function readAnswer(document: string | Uint8Array, partBytes = 65_536, mostBytes?: number): XmlRpcAnswer {
  const bytes = Buffer.from(document);
  const reader = answerReader(mostBytes);
  for (let at = 0; at < bytes.length; at += partBytes) reader.write(bytes.subarray(at, at + partBytes));
  return reader.end();
}

/** Returns method and arguments of a call. */
export function parseCall(document: string): { readonly method: string; readonly params: readonly XmlRpcValue[] } {
  const method = /<methodName>([^<]*)<\/methodName>/.exec(document)?.[1] ?? '';
  const values = document
    .replace(/<\/?param>/g, '')
    .replace(/^[\s\S]*?<params>/, '<methodResponse><params><param><value><array><data>')
    .replace(/<\/params>\s*<\/methodCall>\s*$/, '</data></array></value></param></params></methodResponse>');
  const answer = readAnswer(values);
  if (answer.kind === 'fault' || !Array.isArray(answer.value)) throw new Error('a call has arguments');
  return { method, params: answer.value };
}

/** Returns the document of an answer as koji's hub writes it. */
export function formatAnswer(answer: XmlRpcAnswer): string {
  const content =
    answer.kind === 'value'
      ? `<params>\n<param>\n${formatValue(answer.value)}</param>\n</params>\n`
      : `<fault>\n${formatValue({ faultCode: answer.code, faultString: answer.message })}</fault>\n`;
  return `<?xml version='1.0'?>\n<methodResponse>\n${content}</methodResponse>\n`;
}
