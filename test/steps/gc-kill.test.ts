import { existsSync, readdirSync } from 'node:fs';
import { cp, mkdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { filesBelow } from '../../src/base/files.ts';
import { surveyBuilds } from '../../src/build/build-store.ts';
import { type KilledCommand, killedAt, writesOf } from '../support/kill-at-write.ts';
import { makePageBuilds, type PageBuilds } from '../support/page-builds.ts';
import { sharedFolder } from '../support/tmp.ts';
import { runCli } from '../support/world.ts';

const dir = sharedFolder();
const work = join(dir, 'work');
const snapshot = join(dir, 'snapshot');
const command: KilledCommand = { cwd: dir, args: ['gc', '--json'], below: work };
let builds: PageBuilds;
let folders: string[];
let moments: number[];
let undisturbed: string[];

async function write(path: string, days = 0): Promise<void> {
  const file = join(work, path);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, path);
  const then = Date.now() / 1000 - days * 86_400;
  await utimes(file, then, then);
}

beforeAll(async () => {
  builds = await makePageBuilds(dir, 14);
  const config = await readFile(builds.config.path, 'utf8');
  const few = 'targets: [buildlogs]\n    retention: {builds: 5}';
  await writeFile(builds.config.path, config.replace('targets: [buildlogs]', few));
  const [oldest, second] = builds.ids;
  folders = [`builds/${oldest}/x86_64/images`, `builds/${second}/x86_64/images`, 'cache/forgotten', 'scratch/dry-run'];
  for (const folder of folders) for (const name of ['a', 'b', 'c']) await write(`${folder}/${name}`);
  await write(`builds/${builds.ids[12]}/x86_64/images/disk.qcow2`);
  await write('cache/nightly/rpms/2/old-1-1.noarch.rpm');
  await write('cache/nightly/rpms/3/older-1-1.noarch.rpm');
  await write(`builds/${builds.ids[12]}/x86_64/meta.json.4711.2.tmp`, 2);
  await write(`rebuild/roots/${'c'.repeat(64)}/tree/etc/passwd`);
  await cp(work, snapshot, { recursive: true, preserveTimestamps: true });
  const { all, moments: found } = await writesOf(command);
  expect(all.code, all.stderr).toBe(0);
  moments = found;
  undisturbed = await content();
});

/** What is in the work folder but for locks and logs of runs. */
const content = async () => (await filesBelow(work)).filter((path) => !/(^|\/)(lock[^/]*|logs\/gc\.log)$/.test(path));

test('I4, I8: SIGKILL at each write of gc leaves folders whole or without their name, and the next run frees all of it', async () => {
  expect(moments.length).toBeGreaterThan(2);
  for (const at of moments) {
    await rm(work, { recursive: true, force: true });
    await cp(snapshot, work, { recursive: true, preserveTimestamps: true });
    const killed = await killedAt(command, at);
    expect([null, 0], `${at}: ${killed.stderr}`).toContain(killed.code);
    // Those among the work files are nobody's.
    for (const folder of folders.slice(0, 3).map((path) => join(work, path)))
      if (existsSync(folder)) expect(readdirSync(folder), `${folder} at ${at}`).toHaveLength(3);
    const { builds: there, damaged } = await surveyBuilds(work);
    expect([there.length, damaged]).toEqual([16, []]);
    const next = await runCli(dir, ['gc']);
    expect([next.code, await content()], `${at}: ${next.stderr}`).toEqual([0, undisturbed]);
  }
});
