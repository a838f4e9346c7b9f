import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { RESULT, type RebuildResult } from '../../src/rebuild/result.ts';
import { readPackageIdentity } from '../../src/rpm/package-identity.ts';
import { localRepository, REPOMD, readPackageDigests } from '../../src/rpm/repository/package-digests.ts';
import { buildMiniRpm } from '../support/mini-rpm.ts';
import { serveFolder } from '../support/nginx.ts';
import { makeFileKey } from '../support/openpgp-key.ts';
import { killIfThere } from '../support/processes.ts';
import { sharedFolder, testTask } from '../support/tmp.ts';
import { NOON, type RebuildWorld, rebuildWorld } from '../support/trust-world.ts';

/** So often it is killed. */
const KILLS = Number(process.env['REBUILD_KILLS'] ?? 200);
/** Packages; each is handed in again and again, of another source each time. */
const NAMES = ['one', 'two', 'three', 'four', 'five', 'six'];

const dir = sharedFolder();
const published = join(dir, 'published');
const repository = join(published, 'rebuilds/x86_64');
let world: RebuildWorld;
let stop: () => Promise<void>;
const honest = new Map<string, string>();
const tampered = new Map<string, string>();
/** Headers that must never be seen. */
const forbidden = new Set<string>();

const rpm = (name: string, says: string) =>
  buildMiniRpm({
    name,
    version: '1.0',
    release: '1',
    arch: 'x86_64',
    files: [{ path: `/usr/bin/${name}`, text: says, mode: '0755' }],
  });

beforeAll(async () => {
  mkdirSync(published);
  const server = await serveFolder({ root: published });
  stop = () => server.stop();
  const key = await makeFileKey(dir, { name: 'rebuilds' });
  const signing = `{type: openpgp, key-file: ${key.keyFile}, passphrase-file: ${key.passphrase.file}}`;
  const more = `  publish: {target: mirror, signing: ${signing}}\n`;
  world = await rebuildWorld(dir, { url: server.url, more, rates: '{new: 0.5, proven: 0, sponsor: 0}' });
  for (const name of NAMES) {
    honest.set(name, await rpm(name, 'honest'));
    tampered.set(name, await rpm(name, 'tampered'));
    forbidden.add((await readPackageIdentity(tampered.get(name) ?? '')).header);
  }
});
afterAll(() => stop());

/** What a round hands in: a pair of operators that agree, or of which one lies; or one result alone that is scratch. */
async function round(number: number): Promise<RebuildResult[]> {
  const name = NAMES[number % NAMES.length] ?? '';
  const [good, bad] = [[honest.get(name) ?? ''], [tampered.get(name) ?? '']];
  const source = `round ${number}`;
  if (number % 5 === 4) return [await world.result({ builder: 'beta', rpms: bad, source, scratch: true })];
  const first = await world.result({ builder: 'alpha', rpms: good, source });
  const second = await world.result({ builder: 'beta', rpms: number % 3 === 2 ? bad : good, source });
  return [first, second];
}

/** Runs it until a moment at random, or to its end without one. @returns whether it came to its end */
async function run(results: readonly RebuildResult[], killAfter?: number): Promise<boolean> {
  const file = join(dir, 'results.ndjson');
  writeFileSync(file, results.map((one) => `${JSON.stringify(RESULT.encode(one))}\n`).join(''));
  const script = new URL('../support/accept-once.ts', import.meta.url).pathname;
  const child = spawn(process.execPath, ['--import', 'tsx', script, world.configFile, file, String(NOON)], {
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  });
  const closed = new Promise<number | null>((settle) => child.on('close', settle));
  await new Promise((ready) => {
    child.stdout.once('data', ready);
    child.once('close', ready);
  });
  if (killAfter !== undefined) {
    await Promise.race([sleep(killAfter), closed]);
    if (child.pid !== undefined && child.exitCode === null) killIfThere(-child.pid);
  }
  return (await closed) === 0;
}

/** What clients see at this moment: each name once, nothing that is forbidden, and every file that is named. */
async function look(): Promise<string[]> {
  if (!existsSync(join(repository, REPOMD))) return [];
  const repomd = readFileSync(join(repository, REPOMD), 'utf8');
  const paths = [...(await readPackageDigests(repomd, localRepository(repository), testTask(dir))).keys()];
  const names = [];
  for (const path of paths) {
    const { header, nevra } = await readPackageIdentity(join(repository, path));
    expect(forbidden.has(header), `${nevra} is tampered with`).toBe(false);
    names.push(nevra);
  }
  expect(new Set(names).size).toBe(names.length);
  return names.sort();
}

test(`I18: ${KILLS} kills: nothing twice in the repository, nothing disputed in it, and the end is that of an undisturbed run`, async () => {
  let longest = 3000;
  let killed = 0;
  const all: RebuildResult[] = [];
  let late: RebuildResult[] = [];
  for (let number = 0; killed < KILLS; number += 1) {
    const fresh = await round(number);
    all.push(...fresh);
    late = [...late, ...fresh].slice(-8);
    const started = performance.now();
    if (await run(late, Math.random() * longest))
      longest = Math.max(500, Math.min(longest, performance.now() - started));
    else killed += 1;
    await look();
  }
  expect(await run(all)).toBe(true);
  const judged = new Map((await world.judged()).map((one) => [one.result.job, one]));
  expect(judged.size).toBe(all.length);
  for (const { job, scratch, source } of all) {
    const mates = all.filter((one) => one.source.sha256 === source.sha256);
    const differs = new Set(mates.map(({ packages }) => packages[0]?.header)).size > 1;
    const { standing } = judged.get(job) ?? {};
    if (scratch) expect(standing).toBe('scratch');
    else
      expect([differs ? 'differs' : 'same', standing]).toEqual(
        differs ? ['differs', expect.stringMatching(/^(disputed|class-unknown)$/)] : ['same', 'accepted'],
      );
  }
  expect((await look()).length).toBeGreaterThan(0);
});
