import { type SaxesOptions, SaxesParser } from 'saxes';
import { FormatError, otherContent } from '../rpm/format-error.ts';
import { scalarValue } from './scalar-values.ts';
import type { XmlRpcAnswer, XmlRpcValue } from './xml-rpc-value.ts';

/** Reads an answer as it arrives. */
export interface AnswerReader {
  /** Takes the next bytes. @throws FormatError as soon as they cannot belong to an answer. */
  write(bytes: Uint8Array): void;
  /** Returns the answer. @throws FormatError when it is cut short. */
  end(): XmlRpcAnswer;
}

/** A tag with 50,000 packages and their signatures comes to 70 MB. */
export const MOST_ANSWER_BYTES = 256_000_000;

/** Structs and lists within one another; those of koji are five deep. */
const MOST_LEVELS = 32;

/** What each element may hold; one that is not here holds text. */
const CHILDREN: Readonly<Record<string, readonly string[]>> = {
  methodResponse: ['params', 'fault'],
  params: ['param'],
  param: ['value'],
  fault: ['value'],
  value: ['int', 'i4', 'i8', 'boolean', 'string', 'double', 'base64', 'nil', 'array', 'struct'],
  array: ['data'],
  data: ['value'],
  struct: ['member'],
  member: ['name', 'value'],
};

/** Elements that hold any number of others; the rest holds one. */
const HOLDS_MANY = ['data', 'struct'];

interface Open {
  readonly name: string;
  text: string;
  children: number;
  /** The value that it holds, once that has ended. */
  value: XmlRpcValue | undefined;
  readonly items: XmlRpcValue[];
  readonly members: Map<string, XmlRpcValue>;
  member: string;
}

/** How much of the beginning is kept, in characters, to tell a web page from a broken answer. */
const BEGINNING = 1000;

/**
 * Returns a reader of one answer. Nothing of the document is kept but the values in it, and of those no more than the bytes
 * that may come.
 */
export function answerReader(mostBytes = MOST_ANSWER_BYTES): AnswerReader {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  const parser = new SaxesParser<SaxesOptions>({});
  const open: Open[] = [];
  let [bytes, beginning, levels] = [0, '', 0];
  let answer: XmlRpcAnswer | undefined;

  parser.on('error', (error) => {
    throw new FormatError(otherContent(beginning) ?? `it is not XML: ${error.message}`, { cause: error });
  });
  parser.on('doctype', () => {
    throw new FormatError(otherContent(beginning) ?? 'it has a document type, which no answer has');
  });
  parser.on('opentag', ({ name }) => {
    const parent = open.at(-1);
    if (!mayHold(parent, name)) {
      throw new FormatError(otherContent(beginning) ?? misplaced(parent, name));
    }
    if (parent) parent.children += 1;
    if (name === 'value') levels += 1;
    if (levels > MOST_LEVELS) throw new FormatError(`it has values ${MOST_LEVELS} levels deep`);
    open.push({ name, text: '', children: 0, value: undefined, items: [], members: new Map(), member: '' });
  });
  const addText = (piece: string): void => {
    const element = open.at(-1);
    if (element) element.text += piece;
  };
  parser.on('text', addText);
  parser.on('cdata', addText);
  parser.on('closetag', () => {
    const element = open.pop();
    if (element === undefined) return;
    if (element.name === 'value') levels -= 1;
    const parent = open.at(-1);
    if (parent) endElement(element, parent);
    else answer = asAnswer(element);
  });

  const parse = (text: string): void => {
    if (beginning.length < BEGINNING) beginning += text.slice(0, BEGINNING);
    parser.write(text);
  };
  return {
    write(part) {
      bytes += part.length;
      if (bytes > mostBytes) throw new FormatError(`it has more than ${mostBytes} bytes`);
      parse(decoded(() => decoder.decode(part, { stream: true })));
    },
    end() {
      parse(decoded(() => decoder.decode()));
      if (beginning.trim() === '') throw new FormatError('it is empty');
      parser.close();
      if (answer === undefined) throw new FormatError('it has no value');
      return answer;
    },
  };
}

function decoded(decode: () => string): string {
  try {
    return decode();
  } catch (error) {
    throw new FormatError('it is not UTF-8', { cause: error });
  }
}

function mayHold(parent: Open | undefined, name: string): boolean {
  if (parent === undefined) return name === 'methodResponse';
  if (!childrenOf(parent.name).includes(name)) return false;
  if (parent.name === 'member') return name === (parent.children === 0 ? 'name' : 'value') && parent.children < 2;
  return parent.children === 0 || HOLDS_MANY.includes(parent.name);
}

const childrenOf = (name: string): readonly string[] => (Object.hasOwn(CHILDREN, name) ? (CHILDREN[name] ?? []) : []);

const misplaced = (parent: Open | undefined, name: string): string =>
  parent === undefined ? `it is not an answer, but "${name}"` : `"${name}" is not in its place in "${parent.name}"`;

/** Hands what an element held to the one around it. */
function endElement(element: Open, parent: Open): void {
  const { name, text } = element;
  if (childrenOf(name).length > 0 && (name !== 'value' || element.children > 0) && text.trim() !== '') {
    throw new FormatError(`it has text in "${name}"`);
  }
  switch (name) {
    case 'name':
      parent.member = text;
      return;
    case 'member':
      addMember(parent, element);
      return;
    case 'data':
      parent.value = element.items;
      return;
    case 'struct':
      // Object.fromEntries makes a plain key even of "__proto__", but not all who copy it later do.
      parent.value = Object.fromEntries(element.members);
      return;
    case 'value': {
      // A value without a type is text (XML-RPC).
      const value = element.children === 0 ? text : required(element);
      if (parent.name === 'data') parent.items.push(value);
      else parent.value = value;
      return;
    }
    case 'array':
    case 'param':
    case 'params':
    case 'fault':
      parent.value = required(element);
      if (name === 'fault') parent.member = name;
      return;
    default:
      parent.value = scalarValue(name, text);
  }
}

function required({ name, value }: Open): XmlRpcValue {
  if (value === undefined) throw new FormatError(`it has nothing in "${name}"`);
  return value;
}

function addMember(struct: Open, { member, value, children }: Open): void {
  if (children < 2 || value === undefined) throw new FormatError('it has a member without a value');
  if (struct.members.has(member)) throw new FormatError(`it has two members "${member.slice(0, 80)}" in one struct`);
  if (member === '__proto__') throw new FormatError('it has a member "__proto__"');
  struct.members.set(member, value);
}

function asAnswer(root: Open): XmlRpcAnswer {
  const value = required(root);
  if (root.member !== 'fault') return { kind: 'value', value };
  const fault = faultOf(value);
  if (fault === undefined) throw new FormatError('it has a fault without a code and a message');
  return fault;
}

/** Returns the fault that a struct tells of; undefined when it is none. */
export function faultOf(value: XmlRpcValue): Extract<XmlRpcAnswer, { kind: 'fault' }> | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  if (!('faultCode' in value) || !('faultString' in value)) return undefined;
  const { faultCode: code, faultString: message } = value;
  return typeof code === 'number' && typeof message === 'string' ? { kind: 'fault', code, message } : undefined;
}
