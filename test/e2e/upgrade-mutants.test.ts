import { chmodSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { serveFolder } from '../support/nginx.ts';
import { mutantsOf } from '../support/script-mutants.ts';
import { sharedFolder } from '../support/tmp.ts';
import { type LaidOut, layOut, UPGRADE, upgradeCases, upgradeSurvivors } from '../support/upgrade-cases.ts';

const dir = sharedFolder();

test('the script that upgrades hosts: each line taken out or changed in turn is found', {
  timeout: 7_200_000,
}, async () => {
  // Another account runs the script.
  chmodSync(dir, 0o755);
  const far = join(dir, 'far');
  mkdirSync(far);
  const { url, stop } = await serveFolder({ root: far });
  try {
    const laidOut: LaidOut[] = [];
    for (const [at, one] of upgradeCases().entries()) {
      const own = join(far, String(at));
      mkdirSync(own);
      const args = one.args?.map((word) => (word === 'URL' ? `${url}/${at}` : word));
      laidOut.push(await layOut({ ...one, ...(args && { args }) }, own, `${url}/${at}`, join(dir, `host-${at}`)));
    }
    const mutants = mutantsOf(readFileSync(UPGRADE, 'utf8'));
    expect(mutants.length).toBeGreaterThan(200);
    expect(await upgradeSurvivors(mutants, laidOut, dir)).toEqual([]);
  } finally {
    await stop();
  }
});
