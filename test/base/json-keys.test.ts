import fc from 'fast-check';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { keyTwice } from '../../src/base/json-keys.ts';
import { readRecord, recordFormat } from '../../src/base/read-record.ts';
import { parseLockfile } from '../../src/rpm/lockfile.ts';

const twice = (json: string) => keyTwice(json, JSON.parse(json));

test('I15: a record or a lockfile that has a key twice is damaged, and says which', () => {
  const format = recordFormat({ schema: z.looseObject({ state: z.string() }), hint: 'Bring it back.' });
  const read = () => readRecord('{"state":"failed","inside":{"a":1},"\\u0073tate":"complete"}', format, 'meta.json');
  expect(read).toThrow('meta.json is damaged: it has the key "state" twice.');
  const locked = '{"packages":{"bash":{"evra":"1-1.noarch"},"bash":{"evra":"2-1.noarch"}}}';
  expect(() => parseLockfile(locked, 'lock.json')).toThrow('The lockfile lock.json has the key "bash" twice.');
});

test('property: what JSON.stringify writes has no key twice, and one that is written again is found', () => {
  const value = fc.jsonValue({ maxDepth: 4 });
  fc.assert(
    fc.property(value, fc.string(), value, fc.dictionary(fc.string(), value), (other, key, again, rest) => {
      expect(twice(JSON.stringify([other, rest, key]))).toBeUndefined();
      const parts = [...Object.entries({ ...rest, [key]: other }), [key, again] as const].map(
        ([name, one]) => `${JSON.stringify(name)} : ${JSON.stringify(one)}`,
      );
      expect(twice(`[{"a":${JSON.stringify(other)}},{${parts.join(' ,')}}]`)).toBe(key);
    }),
    { numRuns: 500 },
  );
});

test('strings of any length, with quotes and colons in them, are no keys', () => {
  const long = '": \\'.repeat(3_000_000);
  expect(twice(JSON.stringify({ a: long, b: [{ a: '"a":' }, { a: 1 }] }))).toBeUndefined();
  expect(twice(`{"a":${JSON.stringify(long)},"\\\\":1,"a"\n:2}`)).toBe('a');
});

test('values of any depth are looked at', () => {
  const deep = (inside: string) => `${'{"a":['.repeat(100_000)}${inside}${']}'.repeat(100_000)}`;
  expect(twice(deep('{"b":1,"c":2}'))).toBeUndefined();
  expect(twice(deep('{"b":1,"b":2}'))).toBe('b');
});
