import { chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { serveFolder } from '../support/nginx.ts';
import { sharedFolder } from '../support/tmp.ts';
import { layOut, UPGRADE, upgradeCases, wrongWith } from '../support/upgrade-cases.ts';

const dir = sharedFolder();
const far = join(dir, 'far');
let url: string;
let end: () => Promise<void>;
beforeAll(async () => {
  // Another account runs the script.
  chmodSync(dir, 0o755);
  mkdirSync(far);
  ({ url, stop: end } = await serveFolder({ root: far }));
});
afterAll(() => end());

test.each(upgradeCases())('the script that upgrades hosts: $name', async (one) => {
  const at = String(upgradeCases().findIndex(({ name }) => name === one.name));
  const own = join(far, at);
  mkdirSync(own);
  const args = one.args?.map((word) => (word === 'URL' ? `${url}/${at}` : word));
  const laidOut = await layOut({ ...one, ...(args && { args }) }, own, `${url}/${at}`, join(dir, `host-${at}`));
  expect(await wrongWith(laidOut, UPGRADE, dir)).toBe('');
});
