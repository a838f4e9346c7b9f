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

const why = (text: string): string => {
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
