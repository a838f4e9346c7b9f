import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { filesBelow, sha256File } from '../../src/base/files.ts';
import { surveyBuilds } from '../../src/build/build-store.ts';
import { run } from '../../src/programs/exec.ts';
import { gpgStopAgent } from '../../src/programs/gpg.ts';
import { parseSums } from '../../src/published/sha256sums.ts';
import { type KilledCommand, killedAt, writesOf } from '../support/kill-at-write.ts';
import { makeKey, type TestKey } from '../support/signing-key.ts';
import { testTask } from '../support/tmp.ts';
import { makeWorld, records, type World } from '../support/world.ts';

let world: World;
let signing: TestKey;
let work: string;
let folder: string;
let command: KilledCommand;
let moments: number[];
let undisturbed: readonly string[];

beforeAll(async () => {
  const dir = await mkdtemp(join(tmpdir(), 'atomic-nightly-test-'));
  signing = await makeKey(dir);
  const stream = [`signing: {type: gpg-agent, home: ${signing.home}, key: ${signing.key}}`];
  world = await makeWorld(dir, { images: ['generic-cloud'], stream });
  const night = await world.nightly('nightly');
  expect(night.code, night.stderr).toBe(0);
  const id = String((await records(world))[0]?.['buildid']);
  const elsewhere = join(dir, 'elsewhere.yaml');
  const text = await readFile(world.config, 'utf8');
  await writeFile(elsewhere, text.replace('work: ./work', 'work: ./work-elsewhere'));
  work = join(dir, 'work-elsewhere');
  folder = join(work, 'builds', id, 'x86_64');
  command = { cwd: dir, args: ['--config', elsewhere, 'fetch', id, '--images'], below: work };
  const { all, moments: found } = await writesOf(command);
  expect(all.code, all.stderr).toBe(0);
  moments = found;
  undisturbed = await content();
});
afterAll(async () => {
  await world.stop();
  await gpgStopAgent(signing.home, testTask(world.dir));
  await rm(world.dir, { recursive: true, force: true });
});

/** What was fetched, with its bytes but for when; of names that a killed writer left beside, none counts for anything. */
async function content(): Promise<string[]> {
  const paths = (await filesBelow(folder)).filter((path) => !/\.tmp$|^fetched\.json$/.test(path));
  return Promise.all(paths.map(async (path) => `${path} ${await sha256File(join(folder, path))}`));
}

test('I4: SIGKILL at each write of fetch leaves nothing half that has its name, and the same command ends as undisturbed', async () => {
  expect(moments.length).toBeGreaterThan(2);
  for (const at of moments) {
    await rm(work, { recursive: true, force: true });
    const killed = await killedAt(command, at);
    expect([null, 0], `${at}: ${killed.stderr}`).toContain(killed.code);
    const { builds, damaged } = await surveyBuilds(work);
    expect(damaged).toEqual([]);
    // What has its name is whole; what has its record has all records.
    const there = (await content()).filter((line) => !/^images\/\..*\.part /.test(line));
    expect(undisturbed, `${at}`).toEqual(expect.arrayContaining(there));
    if (builds.length > 0) {
      const sums = parseSums(await readFile(join(folder, 'SHA256SUMS'), 'utf8'), folder);
      const listed = sums.filter(({ path }) => !path.startsWith('images/')).map((one) => `${one.path} ${one.sha256}`);
      expect(there, `${at}`).toEqual(expect.arrayContaining(listed));
    }
    const repo = join(work, 'repo');
    if (existsSync(join(repo, 'config'))) await run('ostree', [`--repo=${repo}`, 'fsck', '--quiet']);

    const next = await world.nightly(...command.args);
    expect([next.code, await content()], `${at}: ${next.stderr}`).toEqual([0, undisturbed]);
    await run('ostree', [`--repo=${repo}`, 'fsck', '--quiet']);
  }
});
