import { FormatError } from '../rpm/format-error.ts';
import type { XmlRpcValue } from './xml-rpc-value.ts';

/** Returns the value of an element that holds text. @throws FormatError for text that is not of the type. */
export function scalarValue(type: string, text: string): XmlRpcValue {
  switch (type) {
    case 'string':
      return text;
    case 'nil':
      if (text === '') return null;
      break;
    case 'boolean':
      if (text === '0' || text === '1') return text === '1';
      break;
    case 'int':
    case 'i4':
    case 'i8':
      if (/^[+-]?\d{1,19}$/.test(text)) return exact(Number(text), text);
      break;
    case 'double':
      if (/^[+-]?\d{1,400}(\.\d{1,400})?(e[+-]?\d{1,3})?$/i.test(text)) return finite(Number(text), text);
      break;
    case 'base64':
      return base64Bytes(text);
  }
  throw new FormatError(`${JSON.stringify(text.slice(0, 80))} is not a value of type "${type}"`);
}

function exact(value: number, text: string): number {
  if (!Number.isSafeInteger(value)) throw new FormatError(`${text} is beyond the numbers that are exact here`);
  return value + 0;
}

function finite(value: number, text: string): number {
  if (!Number.isFinite(value)) throw new FormatError(`${text.slice(0, 80)} is too large a number`);
  return value;
}

function base64Bytes(text: string): Uint8Array {
  const digits = text.replace(/[ \t\r\n]/g, '');
  const bytes = Buffer.from(digits, 'base64');
  // Node skips what it does not know: only what comes out the same was base64.
  if (bytes.toString('base64') !== digits) throw new FormatError('it has bytes that are not base64');
  return new Uint8Array(bytes);
}
