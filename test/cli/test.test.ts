import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { COMMITS, type GuestWorld, makeGuestWorld } from '../support/guest-world.ts';
import { processesWith } from '../support/processes.ts';
import { sharedFolder } from '../support/tmp.ts';
import type { CliResult } from '../support/world.ts';

interface Result {
  readonly name: string;
  readonly verdict: string;
  readonly reboots: number;
  readonly message?: string;
  readonly log?: string;
  readonly artifacts: readonly string[];
  readonly 'starts-from': string;
}

const dir = sharedFolder();
let world: GuestWorld;
let all: CliResult;
let results: readonly Result[];

function write(name: string, script: string, declaration?: string): void {
  writeFileSync(join(dir, 'tests', `${name}.sh`), `#!/bin/sh\nset -eu\n${script}\n`, { mode: 0o755 });
  if (declaration !== undefined) writeFileSync(join(dir, 'tests', `${name}.yaml`), declaration);
}

const example = (name: string) => readFileSync(new URL(`../../examples/tests/${name}`, import.meta.url), 'utf8');

beforeAll(async () => {
  mkdirSync(join(dir, 'tests/data'), { recursive: true });
  writeFileSync(join(dir, 'tests/data/greeting'), "it's here\n");
  write(
    'passes',
    'test "$(cat "$TEST_DATA/greeting")" = "it\'s here"; mkdir "$ARTIFACTS/a"; echo $BUILD_ID > "$ARTIFACTS/a/id"',
  );
  write('fails', 'ln -s /etc/passwd "$ARTIFACTS/link"; echo the reason; exit 3', 'tags: [bad]\n');
  write('skips', 'echo not on this machine; exit 77');
  write('hangs', 'echo began; sleep 600', 'timeout: 5\n');
  write('undeclared', '/tmp/autopkgtest-reboot again', 'exclusive: true\n');
  write('elsewhere', 'exit 1', 'images: [iso]\n');
  for (const name of ['upgrade', 'rollback', 'restarts']) write(name, example(`${name}.sh`), example(`${name}.yaml`));
  world = await makeGuestWorld(dir, ['tests: {dir: ./tests, parallel: 4}']);
  all = await world.cli('test', 'latest', '--json');
  results = JSON.parse(all.stdout || '[]');
});

const resultOf = (name: string): Result | undefined => results.find((one) => one.name === name);

test('each test ends as it says itself, and one that fails is exit code 12', () => {
  expect(all.code, all.stderr).toBe(12);
  const verdicts = Object.fromEntries(results.map(({ name, verdict }) => [name, verdict]));
  expect(verdicts).toEqual({
    ...{ passes: 'passed', skips: 'skipped', restarts: 'passed', upgrade: 'passed', rollback: 'passed' },
    ...{ fails: 'failed', hangs: 'failed', undeclared: 'failed' },
  });
  expect(resultOf('fails')?.message).toBe('It ended with exit code 3.\nthe reason');
  expect(resultOf('undeclared')?.message).toContain('does not declare "reboots: true"');
});

test('a test that prints nothing for its time counts as hung; those after it get a fresh guest', () => {
  expect(resultOf('hangs')?.message).toMatch(/counts as hung: nothing came from it within 5 s\.\nbegan/);
  const argv = readFileSync(join(dir, 'stand-in/argv'), 'utf8');
  // Four alone, one shared, and one for those after the hung test; the probe for KVM has none.
  expect(argv.match(/hostfwd/g)).toHaveLength(6);
});

test('a restart that a test asks for starts it again with its mark, and what it kept is there', () => {
  expect([resultOf('restarts')?.reboots, resultOf('upgrade')?.reboots, resultOf('rollback')?.reboots]).toEqual([
    1, 1, 2,
  ]);
});

test('an upgrade begins with the build before, and pulls the very commit from where it is published', () => {
  expect(resultOf('upgrade')?.['starts-from']).toBe(world.ids[0]);
  const pulled = readdirSync(join(dir, 'stand-in'))
    .map((port) => join(dir, 'stand-in', port, 'pulled'))
    .filter(existsSync)
    .map((path) => readFileSync(path, 'utf8'));
  expect(pulled[0]).toContain(`pull --url=http://127.0.0.1:8099/repo mini mini/x86_64/nightly@${COMMITS[1]}`);
});

test('artifacts are kept, of one that failed with the journal; no link of a guest leads out of their folder', () => {
  const build = join(dir, 'work/builds', world.ids[1], 'x86_64');
  expect(readFileSync(join(build, 'tests/generic-cloud/passes/a/id'), 'utf8')).toBe(`${world.ids[1]}\n`);
  expect(resultOf('passes')?.artifacts).toEqual(['tests/generic-cloud/passes/a/id']);
  expect(resultOf('fails')?.artifacts).toEqual(['tests/generic-cloud/fails/journal.txt']);
  expect(readFileSync(join(build, resultOf('fails')?.log ?? ''), 'utf8')).toMatch(/^the reason$/m);
  expect(existsSync(join(build, 'logs/test-generic-cloud.restarts.serial.log'))).toBe(true);
});

test('the results are a JUnit report, and in what show prints', async () => {
  const junit = readFileSync(join(dir, 'work/builds', world.ids[1], 'x86_64/tests/junit.xml'), 'utf8');
  expect(junit).toMatch(/<testsuite name="\d{8}_\d\d tests" tests="8" failures="3" errors="0" skipped="1"/);
  expect(junit).toMatch(
    /<testcase name="generic-cloud: fails" [^>]*><failure type="gate-failed" message="It ended with/,
  );
  const { stdout } = await world.cli('show', 'latest', '--no-updates');
  expect(stdout).toMatch(/^Test fails on generic-cloud: failed after /m);
});

test('one test alone leaves the results of the others, and is named right', async () => {
  const { code, stdout } = await world.cli('test', 'latest', '--only', 'passes');
  expect(code).toBe(0);
  expect(stdout).toMatch(/^RESULT +TEST +IMAGE +TIME +REBOOTS\npassed +passes +generic-cloud /);
  const record = JSON.parse(readFileSync(join(dir, 'work/builds', world.ids[1], 'x86_64/tests.json'), 'utf8'));
  expect(record.results).toHaveLength(8);
  const wrong = await world.cli('test', 'latest', '--only', 'pases');
  expect([wrong.code, wrong.stderr]).toEqual([
    2,
    expect.stringContaining('There is no test "pases". Did you mean "passes"?'),
  ]);
});

test('no guest is left', () => {
  expect(processesWith(join(dir, 'bin/qemu-system-x86_64'), '-nodefaults')).toEqual([]);
});
