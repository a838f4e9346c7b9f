import { expect, test } from 'vitest';
import { NightlyError } from '../../../src/base/errors.ts';
import { checkLines, reasonOf } from '../../../src/publish/verify/verify-report.ts';

test('K19: a damaged record is one line of a report, without what the schema says of it', () => {
  const cause = new Error('[\n  {\n    "code": "custom"\n  }\n]');
  const damaged = new NightlyError('record', 'meta.json is damaged: buildid: must be a build id.', { cause });
  const check = { ok: false, what: 'build', why: reasonOf(damaged), hint: 'x' } as const;
  expect(checkLines(check)).toBe(
    'not ok  build: meta.json is damaged: buildid: must be a build id.\n        what to do: x',
  );
});
