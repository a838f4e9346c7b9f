import { existsSync } from 'node:fs';
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, onTestFailed, test } from 'vitest';
import { run } from '../../src/programs/exec.ts';
import { type LabNight, type LabProject, labProject } from '../support/lab-project.ts';
import type { CliResult } from '../support/world.ts';

// The examples, in real guests of the lab: a gate that refuses an image, and lets it through once what it found is mended.
const EXAMPLES = new URL('../../examples/tests/', import.meta.url).pathname;
/** Many machines on few processors, without KVM. */
const BOOT_SECONDS = 900;
/** On a busy machine a boot takes minutes, and there are sixteen; only what makes no progress is given up earlier. */
const ALL_SECONDS = 4 * 3600;
const FOUR = ['boots', 'fails', 'restarts', 'upgrade'];

let lab: LabProject;
let first: LabNight;
let refused: CliResult;
let second: LabNight;
let broken = false;

beforeAll(async () => {
  lab = await labProject('own-tests');
  await mkdir(join(lab.dir, 'tests/data'), { recursive: true });
  for (const name of ['boots', 'restarts.sh', 'upgrade.sh']) await takeExample(name);
  await write('fails.sh', '#!/bin/sh\ntest -e "$TEST_DATA/mended" || { echo the reason; exit 3; }\n', 0o755);
  await write('fails.yaml', 'exclusive: true\n');
  await lab.configure(['images: [generic-cloud]', 'smoke-test: false']);
  first = await lab.night();
  await lab.update('tree');
  await configure(4);
  refused = await lab.cli('nightly', '--json');
  const { build, commit } = JSON.parse(refused.stdout);
  second = { version: build, commit };
}, ALL_SECONDS * 1000);
afterAll(async () => {
  await lab?.stop();
});
beforeEach(({ skip }) => {
  if (broken) skip('an earlier chapter failed');
  onTestFailed(() => {
    broken = true;
  });
});

const write = (name: string, text: string, mode = 0o644) => writeFile(join(lab.dir, 'tests', name), text, { mode });

/** Takes a test of the examples with its declaration, which waits as long as a busy machine needs. */
async function takeExample(name: string): Promise<void> {
  await cp(join(EXAMPLES, name), join(lab.dir, 'tests', name));
  const declaration = `${name.replace(/\..*/, '')}.yaml`;
  const text = await readFile(join(EXAMPLES, declaration), 'utf8');
  await write(declaration, `${text.replace(/^timeout:.*\n/m, '')}timeout: ${BOOT_SECONDS}\n`);
}

const configure = (parallel: number): Promise<void> =>
  lab.configure([
    'images: [generic-cloud]',
    `smoke-test: {timeout: ${BOOT_SECONDS}}`,
    `tests: {dir: ./tests, gate: true, parallel: ${parallel}}`,
    'tested-ref: lab-atomic-host/${basearch}/tested',
  ]);

const folder = (...path: string[]): string => join(lab.dir, 'work/builds', second.version, 'x86_64', ...path);
const there = (...path: string[]): string => join(lab.published, 'builds', second.version, 'x86_64', ...path);
const testedRef = (): boolean => existsSync(join(lab.published, 'repo/refs/heads/lab-atomic-host/x86_64/tested'));

async function verdicts(file: string): Promise<Record<string, string>> {
  const { results } = JSON.parse(await readFile(file, 'utf8'));
  return Object.fromEntries(results.map((one: { name: string; verdict: string }) => [one.name, one.verdict]));
}

/** Seconds that the tests took, the last time that they ran as a gate. */
async function gateSeconds(): Promise<number> {
  const lines = (await readFile(folder('journal.ndjson'), 'utf8')).trim().split('\n');
  const ends = lines.map((line) => JSON.parse(line)).filter(({ step }) => step === 'test-generic-cloud');
  return ends.at(-1).seconds;
}

test('one of four fails: exit code 12, with the reason; the tests beside it end as they would', async () => {
  expect(refused.code, refused.stderr).toBe(12);
  expect(JSON.parse(refused.stdout)).toMatchObject({ state: 'gate-failed' });
  expect(refused.stdout).toContain('the reason');
  expect(await verdicts(folder('tests.json'))).toEqual({
    ...{ boots: 'passed', fails: 'failed' },
    ...{ restarts: 'passed', upgrade: 'passed' },
  });
});

test('I7: its image is published nowhere and the tested ref does not move; results and logs are for all to read', async () => {
  expect([existsSync(there('images')), testedRef()]).toEqual([false, false]);
  expect(await verdicts(there('tests.json'))).toMatchObject({ fails: 'failed', upgrade: 'passed' });
  expect(await readFile(there('logs/test-generic-cloud.fails.log'), 'utf8')).toContain('the reason');
});

test('artifacts stay here, of the test that failed with its journal', async () => {
  expect(await readFile(folder('tests/generic-cloud/boots/kernel.txt'), 'utf8')).toMatch(/^\d+\.\d+/);
  expect(await readFile(folder('tests/generic-cloud/fails/journal.txt'), 'utf8')).toContain('systemd');
  expect(existsSync(there('tests'))).toBe(false);
});

test(
  'once what failed is mended, resume runs them again, one after the other, and publishes the image',
  async () => {
    const together = await gateSeconds();
    const load = loadavg()[0] ?? 0;
    await write('data/mended', '');
    await configure(1);
    await lab.must('resume', second.version);
    expect(await verdicts(there('tests.json'))).toEqual(Object.fromEntries(FOUR.map((name) => [name, 'passed'])));
    expect([existsSync(there('images')), testedRef()]).toEqual([true, true]);
    const alone = await gateSeconds();
    const ratio = (alone / together).toFixed(2);
    console.log(
      `four guests: ${together} s at once, ${alone} s one after the other (${ratio} times; load ${load.toFixed(1)})`,
    );
  },
  ALL_SECONDS * 1000,
);

test(
  'a host goes back to the build before; the results of the other tests stay, and are a JUnit report',
  async () => {
    await takeExample('rollback.sh');
    const [one] = JSON.parse(await lab.must('test', second.version, '--only', 'rollback', '--json'));
    expect(one).toMatchObject({ name: 'rollback', verdict: 'passed', reboots: 2, 'starts-from': first.version });
    expect(Object.keys(await verdicts(folder('tests.json')))).toEqual(expect.arrayContaining(FOUR));
    expect(await readFile(folder('tests/junit.xml'), 'utf8')).toMatch(/ tests="5" failures="0" errors="0" skipped="0"/);
  },
  ALL_SECONDS * 1000,
);

test('no guest is left', async () => {
  const { stdout } = await run('pgrep', ['-f', `^qemu-system.*${lab.dir}`], { okExitCodes: [0, 1] });
  expect(stdout).toBe('');
});
