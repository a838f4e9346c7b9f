import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { processesMarked } from '../../src/programs/processes.ts';
import { everyCase } from '../support/every-case.ts';
import { type FolderWorld, makeFolderWorld, smallTree } from '../support/folder-world.ts';
import { sharedFolder } from '../support/tmp.ts';
import { until } from '../support/until.ts';
import { type CliResult, startCli } from '../support/world.ts';

// One stream whose engine prints a line and waits until a file is there, so that a test is with it as long as it wants.

const dir = sharedFolder();
let world: FolderWorld;

beforeAll(async () => {
  await smallTree(join(dir, 'tree'));
  const script = [
    '#!/bin/sh',
    'echo "making the tree"',
    `while ! test -e ${join(dir, 'go')}; do sleep 0.1; done`,
    'echo "made the tree"',
    `cp -a ${join(dir, 'tree')}/. "$ATOMIC_ROOT"`,
    '',
  ].join('\n');
  await writeFile(join(dir, 'make-tree'), script, { mode: 0o755 });
  world = await makeFolderWorld(dir, '{type: command, command: [./make-tree], inputs: {files: [make-tree]}}');
});

afterAll(() => world.stop());

/** A command under way: what it has printed so far, and its end. */
function started(...args: readonly string[]): { printed(): string; readonly ended: Promise<CliResult> } {
  const child = startCli(dir, args);
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk) => {
    stdout += chunk;
  });
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  const ended = new Promise<CliResult>((resolve) => {
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
  return { printed: () => stdout + stderr, ended };
}

/** What a command prints, without times. */
const timeless = (text: string): string =>
  text
    .replaceAll(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/g, 'TIME')
    .replaceAll(/\d{4}-\d\d-\d\d \d\d:\d\d UTC, \d+ \w+ ago/g, 'DATE, AGE')
    .replaceAll(/\(\d+(?:\.\d)? s\)/g, '(N s)')
    .replaceAll(/\d{8}_(?=\d\d)/g, 'DAY_')
    .replaceAll(/process \d+/g, 'process PID');

test('a build is followed, cancelled, listed as interrupted and resumed, each from another process', async () => {
  const night = started('nightly');
  await until(() => night.printed().includes('compose'));
  const [whole, step, json] = [
    started('log', '-1', '-f'),
    started('log', '-1', 'compose', '--follow'),
    started('log', '-1', '-f', '--json'),
  ];
  await until(() => whole.printed().includes('making the tree') && step.printed().includes('making the tree'));

  const cancelled = await world.nightly('cancel');
  expect(timeless(cancelled.stdout)).toMatch(
    /^Sent SIGINT to process PID \("nightly"\)\.\n(?:TIME {2}failed {2}compose .*\n)?Build DAY_01 is interrupted\.\n {2}to continue: atomic-nightly resume DAY_01\n$/,
  );
  expect(cancelled.code).toBe(0);
  expect((await night.ended).code).toBe(130);
  const followed = await whole.ended;
  expect(followed.code).toBe(130);
  expect(timeless(followed.stdout)).toMatch(
    /^Build DAY_01 of nightly: running, begun DATE, AGE\n[\s\S]*TIME {2}start {3}compose\n[\s\S]*\nBuild DAY_01: interrupted\n$/,
  );
  expect((await step.ended).code).toBe(130);
  const events = (await json.ended).stdout
    .trimEnd()
    .split('\n')
    .map((line): { event: string; step: string } => JSON.parse(line));
  expect(events.at(-1)).toMatchObject({ event: 'failed', step: 'compose', code: 'interrupted' });
  expect(events.length).toBeGreaterThan(2);
  expect((await world.nightly('list')).stdout).toMatch(/_01 +nightly +interrupted /);
  expect((await world.nightly('status')).stdout).toMatch(/nightly: build \d+_01 is interrupted/);

  const nothing = await world.nightly('cancel', '-1', '--json');
  expect(JSON.parse(nothing.stdout)).toMatchObject({ state: 'interrupted' });
  expect(nothing.code).toBe(10);
});

test.runIf(everyCase)('a run that does not react is killed when asked, and so are its programs', async () => {
  const resumed = started('resume');
  await until(() => resumed.printed().includes('compose'));
  const before = started('log', '-1', '-f');
  await until(() => before.printed().includes('running'));
  const killed = await world.nightly('cancel', '--kill', '--json');
  expect(JSON.parse(killed.stdout)).toMatchObject({ state: 'interrupted', cancelled: true });
  expect((await resumed.ended).code).toBeNull();
  expect((await before.ended).code).toBe(130);
  expect(await processesMarked(`ATOMIC_NIGHTLY_RUN=${join(dir, 'work')}`)).toEqual([]);
});

test('what is resumed is followed to its end, whose exit code the follower has', async () => {
  const again = started('resume');
  await until(() => again.printed().includes('compose'));
  const after = started('log', '-1', '-f');
  await until(() => after.printed().includes('running'));
  await writeFile(join(dir, 'go'), '');
  expect((await again.ended).code).toBe(0);
  const { code, stdout } = await after.ended;
  expect(timeless(stdout)).toMatch(
    /\n {4}compose: made the tree\n[\s\S]*TIME {2}done {4}compose \(N s\)\n[\s\S]*TIME {2}end {5}complete\nBuild DAY_01: complete\n$/,
  );
  expect(code).toBe(0);

  const { stdout: journal } = await world.nightly('log', 'latest');
  expect(timeless(journal)).toMatch(/^Build DAY_01 of nightly: complete, begun DATE, AGE\n/);
  // Each step once, with its duration; a beginning alone is that of a step that was killed.
  expect(journal).not.toMatch(/ start {3}seed/);
  const lines = (await world.nightly('log', 'latest', '--json')).stdout;
  const [id = ''] = /\d{8}_01/.exec(journal) ?? [];
  expect(lines).toBe(await readFile(join(dir, 'work/builds', id, 'x86_64/journal.ndjson'), 'utf8'));
});
