import { expect, test } from 'vitest';
import { z } from 'zod';
import { readRecord, recordFormat } from '../../src/base/read-record.ts';

const FORMAT = recordFormat({
  schema: z.object({
    name: z.string().min(1),
    size: z.number().min(0).max(9),
    files: z.record(z.string(), z.string()),
    state: z.enum(['good', 'bad']),
    id: z.string().refine((text) => text === 'x', 'must be an id'),
  }),
  hint: 'Bring it back.',
});

const why = (text: string | Uint8Array): string => {
  try {
    readRecord(text, FORMAT, 'meta.json');
    return 'good';
  } catch (error) {
    return String(error).replace(/^NightlyError: /, '');
  }
};

test('what is wrong with a record is said in words, with its place in it', () => {
  expect(why('{}')).toBe(
    'meta.json is damaged: name: it is missing; size: it is missing; files: it is missing; state: must be good or bad; id: it is missing.',
  );
  expect(why('{"name": "", "size": -1, "files": [], "state": "ugly", "id": "y"}')).toBe(
    'meta.json is damaged: name: is too short; size: must be at least 0; files: must be a map of names; state: must be good or bad; id: must be an id.',
  );
  expect(why('{"name": 5, "size": 10, "files": {"a": null}, "state": "good", "id": "x"}')).toBe(
    'meta.json is damaged: name: must be text; size: must be at most 9; files > a: must be text.',
  );
  expect(why('[]')).toBe('meta.json is damaged: must be a map of keys.');
});

const GOOD = '{"name": "a", "size": 1, "files": {}, "state": "good", "id": "x"}';

test('K1: a byte order mark in front is nobody’s fault', () => {
  expect(why(`\ufeff${GOOD}`)).toBe('good');
  expect(why(Buffer.from(`\ufeff${GOOD}`))).toBe('good');
  expect(why(`${GOOD}\ufeff`)).toContain('meta.json is damaged: it is not JSON');
});

test.each(['"name": "a\xff"', '"other": "\xc3"', '"name": "\xed\xa0\x80"'])(
  'K1: bytes that are no UTF-8 are refused: %j',
  (part) => {
    expect(why(Buffer.from(`{${part}}`, 'latin1'))).toBe('meta.json is damaged: it is not UTF-8.');
  },
);

test.each(['1e999', '-1e999', '[1, [1e400]]', '{"a": {"b": 1e309}}'])(
  'K1: a number that would be written again as null is refused, also under a key that is not known: %s',
  (value) => {
    expect(why(`{"other": ${value}}`)).toBe('meta.json is damaged: it has a number that is too large.');
    expect(why(`[{"other": ${value}}]`)).toBe('meta.json is damaged: it has a number that is too large.');
  },
);

test('K18: what is larger than any record is refused before it is read', () => {
  expect(why(Buffer.alloc(2 ** 27 + 1, ' '))).toBe('meta.json is damaged: it has 134217729 bytes, as no record has.');
});
