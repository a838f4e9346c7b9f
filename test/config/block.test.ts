import { expect, expectTypeOf, test } from 'vitest';
import { z } from 'zod';
import { block } from '../../src/config/block.ts';

const schema = block(
  {
    'two-words-here': z.string(),
    wait: z.string().transform(Number),
    'left-out': z.string().optional(),
    off: z.boolean().transform((on) => (on ? undefined : (false as const))),
    list: z.array(block({ 'in-it': z.int() })).prefault([]),
    by: z.record(z.string(), z.int()).default({}),
  },
  { wait: 'waitSeconds' },
);

test('a block has camelCase names, the names it was given, and no key without a value', () => {
  const used = schema.parse({ 'two-words-here': 'a', wait: '7', off: true, list: [{ 'in-it': 1 }], by: { 'a-b': 2 } });
  expect(used).toStrictEqual({ twoWordsHere: 'a', waitSeconds: 7, list: [{ inIt: 1 }], by: { 'a-b': 2 } });
  expect(schema.parse({ 'two-words-here': 'a', wait: '7', off: false })).toStrictEqual({
    twoWordsHere: 'a',
    waitSeconds: 7,
    off: false,
    list: [],
    by: {},
  });
});

test('the type of a block has the names and values of its schema', () => {
  expectTypeOf<z.output<typeof schema>>().toEqualTypeOf<{
    readonly twoWordsHere: string;
    readonly waitSeconds: number;
    readonly leftOut?: string;
    readonly off?: false;
    readonly list: readonly { readonly inIt: number }[];
    readonly by: Record<string, number>;
  }>();
});

test('a key that the block does not have is a fault', () => {
  const faults = schema.safeParse({ 'two-words-here': 'a', wait: '7', off: true, twoWordsHere: 'b' }).error?.issues;
  expect(faults).toMatchObject([{ code: 'unrecognized_keys', keys: ['twoWordsHere'] }]);
});
