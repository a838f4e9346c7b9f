import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { killIn } from '../support/kill.ts';
import { makeFileKey } from '../support/openpgp-key.ts';
import { signedFiles } from '../support/signed-files.ts';
import { strictPull } from '../support/strict-client.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { makeWorld, records, restore, snapshot } from '../support/world.ts';

it('I2, I4: a night killed while it signs or publishes shows nothing unsigned, and a resume ends it', async () => {
  const dir = temporaryFolder();
  const key = await makeFileKey(dir);
  await mkdir(join(dir, 'world'));
  const signing = `signing: {type: openpgp, key-file: ${key.keyFile}, passphrase-file: ${key.passphrase.file}}`;
  const world = await makeWorld(join(dir, 'world'), { stream: [signing] });
  onTestFinished(() => world.stop());
  await mkdir(join(world.dir, 'work'));
  await snapshot(world, join(dir, 'nothing'));
  const moments = [
    ['sign', 0],
    ['sign-files', 0],
    ['sign-files', 150],
    ['publish-buildlogs', 0],
    ['publish-buildlogs', 60],
    ['publish-buildlogs', 120],
  ] as const;
  for (const [step, delay] of moments) {
    await restore(world, join(dir, 'nothing'));
    const finished = await killIn(world, ['nightly'], { build: 0, step, delayMs: delay });
    const then = await signedFiles(world, dir, key.publicKeyFile);
    expect({ step, delay, bad: then.bad }).toEqual({ step, delay, bad: [] });
    // After one that was faster than the kill there is nothing to resume.
    expect((await world.nightly('resume')).code).toBe(finished ? 1 : 0);
    const { good, ...rest } = await signedFiles(world, dir, key.publicKeyFile);
    expect({ good: good.length, ...rest }).toEqual({ good: 9, bad: [], alone: [] });
    const [build] = await records(world);
    expect(await strictPull(world, `client-${step}-${delay}`, key.publicKeyFile)).toBe(build?.['ostree-commit']);
  }
});
