import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it, onTestFinished } from 'vitest';
import { makeFileKey } from '../support/openpgp-key.ts';
import { signedFiles } from '../support/signed-files.ts';
import { strictPull } from '../support/strict-client.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { makeWorld, records, restore, snapshot, startCli, type World } from '../support/world.ts';

/** Kills a night as soon as its journal says that a step began, or some milliseconds later. */
async function killIn(world: World, step: string, delayMs: number): Promise<void> {
  const child = startCli(world.dir, ['nightly']);
  const ended = new Promise((resolve) => child.on('close', resolve));
  while (child.exitCode === null && !begun(world, step)) await new Promise(setImmediate);
  if (delayMs > 0) await sleep(delayMs);
  if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, 'SIGKILL');
  await ended;
}

function begun(world: World, step: string): boolean {
  const builds = join(world.dir, 'work/builds');
  const [id] = existsSync(builds) ? readdirSync(builds) : [];
  const path = join(builds, String(id), 'x86_64/journal.ndjson');
  return existsSync(path) && readFileSync(path, 'utf8').includes(`"event":"start","step":"${step}"`);
}

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
    await killIn(world, step, delay);
    const then = await signedFiles(world, dir, key.publicKeyFile);
    expect({ step, delay, bad: then.bad }).toEqual({ step, delay, bad: [] });
    // One that was faster than the kill is finished already.
    expect([0, 2]).toContain((await world.nightly('resume')).code);
    const { good, ...rest } = await signedFiles(world, dir, key.publicKeyFile);
    expect({ good: good.length, ...rest }).toEqual({ good: 6, bad: [], alone: [] });
    const [build] = await records(world);
    expect(await strictPull(world, `client-${step}-${delay}`, key.publicKeyFile)).toBe(build?.['ostree-commit']);
  }
});
