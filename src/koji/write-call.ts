import { FormatError } from '../rpm/format-error.ts';
import type { XmlRpcValue } from './xml-rpc-value.ts';

/**
 * Returns the text of a call, byte for byte as koji's own client writes it (Python's `xmlrpc.client`, and `i8` of
 * `koji.xmlrpcplus`).
 * @throws FormatError for a value that XML-RPC cannot hold.
 */
export function formatCall(method: string, params: readonly XmlRpcValue[]): string {
  const list = params.map((param) => `<param>\n${formatValue(param)}</param>\n`).join('');
  return `<?xml version='1.0'?>\n<methodCall>\n<methodName>${escaped(method)}</methodName>\n<params>\n${list}</params>\n</methodCall>\n`;
}

/** Returns keyword arguments as koji takes them: a struct, as the last argument, that says what it is. */
export function keywords(values: { readonly [name: string]: XmlRpcValue }): XmlRpcValue {
  return { ...values, __starstar: true };
}

/** Returns an element `value`, with a newline where Python writes one. @throws FormatError */
export function formatValue(value: XmlRpcValue): string {
  if (value === null) return '<value><nil/></value>';
  return `<value>${formatContent(value)}</value>\n`;
}

function formatContent(value: Exclude<XmlRpcValue, null>): string {
  if (typeof value === 'boolean') return `<boolean>${value ? 1 : 0}</boolean>`;
  if (typeof value === 'number') return formatNumber(value);
  if (typeof value === 'string') return `<string>${escaped(value)}</string>`;
  if (value instanceof Uint8Array) return `<base64>\n${base64Lines(value)}</base64>`;
  return isList(value)
    ? `<array><data>\n${value.map(formatValue).join('')}</data></array>`
    : `<struct>\n${Object.entries(value).map(formatMember).join('')}</struct>`;
}

/** `Array.isArray` does not tell a read-only list from a struct. */
const isList = (value: object): value is readonly XmlRpcValue[] => Array.isArray(value);

const formatMember = ([name, value]: readonly [string, XmlRpcValue]): string =>
  `<member>\n<name>${escaped(name)}</name>\n${formatValue(value)}</member>\n`;

function formatNumber(value: number): string {
  if (!Number.isFinite(value)) throw new FormatError(`${value} is not a number that XML-RPC has`);
  if (!Number.isInteger(value)) return `<double>${value}</double>`;
  if (!Number.isSafeInteger(value)) throw new FormatError(`${value} is beyond the numbers that are exact`);
  return value >= -(2 ** 31) && value < 2 ** 31 ? `<int>${value}</int>` : `<i8>${value}</i8>`;
}

/** Bytes in a line of 76 characters. */
const LINE_BYTES = 57;

function base64Lines(bytes: Uint8Array): string {
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; at += LINE_BYTES) {
    lines.push(`${Buffer.from(bytes.subarray(at, at + LINE_BYTES)).toString('base64')}\n`);
  }
  return lines.join('');
}

/** Characters that XML 1.0 has no way to write, and halves of a surrogate pair. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
const UNWRITABLE = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]|\p{Surrogate}/u;

function escaped(text: string): string {
  if (UNWRITABLE.test(text)) throw new FormatError(`${JSON.stringify(text)} has a character that XML cannot hold`);
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
