import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatCall } from '../../src/koji/write-call.ts';
import type { XmlRpcValue } from '../../src/koji/xml-rpc-value.ts';
import { FormatError } from '../../src/rpm/format-error.ts';
import { formatAnswer, parseCall, readAnswer, recorded } from '../support/koji-dialect.ts';

const names = readdirSync(join(import.meta.dirname, '../fixtures/koji'));

describe('what a real hub was recorded to say', () => {
  it.each(names.filter((name) => name.endsWith('.request')))('%s is written byte for byte', (name) => {
    const { body } = recorded(name);
    const { method, params } = parseCall(body);
    expect(method).not.toBe('');
    expect(formatCall(method, params)).toBe(body);
  });

  it.each(names.filter((name) => name.endsWith('.response')))('%s is read, and comes out the same', (name) => {
    const { body } = recorded(name);
    expect(formatAnswer(readAnswer(body))).toBe(body);
  });

  it('values are what koji means: None, booleans, numbers, bytes, structs', () => {
    expect(readAnswer(recorded('22-getRPMHeaders.response').body)).toEqual({
      kind: 'value',
      value: {
        NAME: 'glusterfs-resource-agents',
        RSAHEADER: null,
        SIGMD5: new Uint8Array(Buffer.from('773bc28a94d9cc0cbfc37571f4bb8344', 'hex')),
      },
    });
    expect(readAnswer(recorded('25-tagChangedSinceEvent.response').body)).toEqual({ kind: 'value', value: true });
    expect(readAnswer(recorded('36-callnum-lower.response').body)).toEqual({
      ...{ kind: 'fault', code: 1008 },
      message: '11 > 2 (session 42)',
    });
  });
});

/** What Python's own XML-RPC carries; an XML parser makes a newline of a carriage return. */
const text = fc
  .string({ unit: 'binary' })
  .filter((value) => !/(?![\t\n])\p{Cc}|[\ufffe\uffff]|\p{Surrogate}/u.test(value));

const value = fc.letrec<{ value: XmlRpcValue }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 5 },
    fc.constant(null),
    fc.boolean(),
    fc.maxSafeInteger(),
    fc.double({ noNaN: true, noDefaultInfinity: true }).filter((number) => !Number.isInteger(number)),
    text,
    fc.uint8Array({ maxLength: 200 }),
    fc.array(tie('value'), { maxLength: 5 }),
    fc.dictionary(
      text.filter((name) => name !== '__proto__'),
      tie('value'),
      { maxKeys: 5, noNullPrototype: true },
    ),
  ),
})).value;

describe('the dialect', () => {
  it('carries every value through a call and an answer, in parts of any size', () => {
    fc.assert(
      fc.property(value, fc.integer({ min: 1, max: 50 }), (sent, part) => {
        expect(readAnswer(formatAnswer({ kind: 'value', value: sent }), part)).toEqual({ kind: 'value', value: sent });
        expect(parseCall(formatCall('method', [sent, null]))).toEqual({ method: 'method', params: [sent, null] });
      }),
    );
  });

  it('a value without a type is text, blanks and all', () => {
    const answer = '<methodResponse><params><param><value> a&#10;</value></param></params></methodResponse>';
    expect(readAnswer(answer)).toEqual({ kind: 'value', value: ' a\n' });
  });

  const of = (content: string) =>
    `<methodResponse><params><param><value>${content}</value></param></params></methodResponse>`;
  const member = (name: string) => `<member><name>${name}</name><value><int>1</int></value></member>`;
  it.each([
    ['', 'it is empty'],
    ['<html><title>Sign in</title><br></html>', 'it is a web page ("Sign in")'],
    ['<!DOCTYPE html>\n<html><p>x', 'it is a web page'],
    ['<!DOCTYPE a [<!ENTITY b "c">]><methodResponse/>', 'document type'],
    ['{"error": 1}', 'it is not XML'],
    ['<methodCall/>', 'it is not an answer, but "methodCall"'],
    ['<methodResponse/>', 'it has nothing in "methodResponse"'],
    [of('<int>1</int>').slice(0, -30), 'it is not XML'],
    [of('<int>1</int>').replace('</params>', '</params><params></params>'), '"params" is not in its place'],
    [of('<int>1.5</int>'), '"1.5" is not a value of type "int"'],
    [of('<int></int>'), 'is not a value of type "int"'],
    [of('<i8>9007199254740993</i8>'), 'beyond the numbers that are exact'],
    [of('<double>nan</double>'), 'is not a value of type "double"'],
    [of('<double>1e999</double>'), 'too large'],
    [of('<boolean>true</boolean>'), 'is not a value of type "boolean"'],
    [of('<base64>=A==</base64>'), 'not base64'],
    [of('<int>1</int>x'), 'it has text in "value"'],
    [of('<int>1</int><int>2</int>'), '"int" is not in its place'],
    [of('<date>1</date>'), '"date" is not in its place'],
    [of('<array></array>'), 'it has nothing in "array"'],
    [of(`<struct>${member('a')}${member('a')}</struct>`), 'two members "a"'],
    [of(`<struct>${member('__proto__')}</struct>`), '"__proto__"'],
    [of('<struct><member><name>a</name></member></struct>'), 'a member without a value'],
    [of('<array><data><value>'.repeat(40)), '32 levels deep'],
    [
      of('<int>1</int>')
        .replace(/(<\/?)params>/g, '$1fault>')
        .replace(/<.?param>/g, ''),
      'a fault without a code',
    ],
  ])('%s is refused', (document, message) => {
    expect(() => readAnswer(document)).toThrow(FormatError);
    expect(() => readAnswer(document)).toThrow(message);
  });

  it('no more bytes are taken than may come', () => {
    const long = formatAnswer({ kind: 'value', value: 'x'.repeat(1000) });
    expect(() => readAnswer(long, 100, 900)).toThrow('it has more than 900 bytes');
  });

  it('what XML-RPC cannot hold is not sent', () => {
    for (const bad of ['\u0000', '\ufffe', '\ud800', Number.NaN, Number.POSITIVE_INFINITY, 2 ** 60]) {
      expect(() => formatCall('x', [bad])).toThrow(FormatError);
    }
  });
});
