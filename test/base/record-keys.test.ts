import { expect, expectTypeOf, it } from 'vitest';
import { z } from 'zod';
import { readRecord, recordFormat, recordText } from '../../src/base/read-record.ts';
import { keyCodec } from '../../src/base/record-keys.ts';
import { fuzz, mutatedJson } from '../support/fuzz.ts';

const schema = z.looseObject({
  'atomic-nightly.signed-by': z.array(z.string()).exactOptional(),
  'ostree-commit': z.string(),
  images: z.record(z.string(), z.looseObject({ 'uncompressed-size': z.number() })),
  list: z.array(z.looseObject({ 'a-b-c': z.number().optional() })),
});
const format = recordFormat({ schema, hint: '' });

const STORED = {
  'ostree-commit': 'c',
  images: {
    'uncompressed-size': { 'uncompressed-size': 1, 'later-key': 2 },
    'ostree-commit': { 'uncompressed-size': 3 },
  },
  list: [{ 'a-b-c': 1 }, {}],
  'atomic-nightly.signed-by': ['A'],
};

it('known keys have camelCase inside, also in lists and records; names that somebody chose stay', () => {
  const inside = readRecord(JSON.stringify(STORED), format, 'x');
  expect(inside).toEqual({
    ostreeCommit: 'c',
    images: { 'uncompressed-size': { uncompressedSize: 1, 'later-key': 2 }, 'ostree-commit': { uncompressedSize: 3 } },
    list: [{ aBC: 1 }, {}],
    signedBy: ['A'],
  });
  expectTypeOf(inside.ostreeCommit).toEqualTypeOf<string>();
  expectTypeOf(inside.list[0]?.aBC).toEqualTypeOf<number | undefined>();
});

it('a key of others that has a name of ours is neither lost nor taken for it', () => {
  const text = `${JSON.stringify({ ...STORED, ostreeCommit: 'x', 'stored:ostreeCommit': 'y', 'stored:z': 1 }, null, 2)}\n`;
  const inside = readRecord(text, format, 'x');
  expect(inside.ostreeCommit).toBe('c');
  expect(recordText(inside, format)).toBe(text);
});

it('whatever is in a record, it is written with the bytes it was read from', () => {
  const codec = keyCodec(schema);
  const keys = [
    'ostreeCommit',
    'ostree-commit',
    'signedBy',
    'atomic-nightly.signed-by',
    'stored:',
    'stored:signedBy',
    'a-b',
  ];
  const samples = [STORED, { ...STORED, ...Object.fromEntries(keys.map((key) => [key, { [key]: 1 }])) }];
  fuzz(mutatedJson(samples), (value) => {
    expect(JSON.stringify(codec?.encode(codec.decode(value)))).toBe(JSON.stringify(value));
  });
});

it('a stored key in what is to be written is a mistake of ours, and nothing is written', () => {
  const inside = { ...readRecord(JSON.stringify(STORED), format, 'x'), 'ostree-commit': 'd' };
  expect(() => recordText(inside, format)).toThrow(/named ostreeCommit inside/);
});

it('a schema in which two keys would be one, or that hides some, is no format', () => {
  expect(() => keyCodec(z.looseObject({ 'a-b': z.string(), aB: z.string() }))).toThrow(/one name inside/);
  const hidden = z.looseObject({ 'a-b': z.string() });
  for (const kind of [z.tuple([hidden]), z.union([hidden, z.string()]), z.nullable(hidden)])
    expect(() => keyCodec(kind)).toThrow(/has to learn/);
  expect(keyCodec(z.looseObject({ plain: z.tuple([z.string()]) }))).toBeUndefined();
});
