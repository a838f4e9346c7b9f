import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { mutantsOf } from '../support/script-mutants.ts';
import { sharedFolder } from '../support/tmp.ts';
import { SCRIPT, survivors, verifyCases } from '../support/verify-script.ts';

const dir = sharedFolder();

test('the verifier for users: each line taken out or changed in turn is found', { timeout: 7_200_000 }, async () => {
  const mutants = mutantsOf(readFileSync(SCRIPT, 'utf8'));
  expect(mutants.length).toBeGreaterThan(300);
  expect(await survivors(mutants, await verifyCases(dir), dir)).toEqual([]);
});
