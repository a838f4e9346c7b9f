import { appendFileSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { asNightlyError } from '../../src/base/as-nightly-error.ts';
import { NightlyError } from '../../src/base/errors.ts';
import { keepSecret } from '../../src/base/redact.ts';
import type { RunEvent } from '../../src/build/events.ts';
import { openJournal } from '../../src/build/journal.ts';
import { run } from '../../src/programs/exec.ts';
import { createRunner } from '../../src/run/runner.ts';
import { mountTmpfs } from '../support/mounts.ts';
import { temporaryFolder } from '../support/tmp.ts';

async function attempt(folder: string, signal = new AbortController().signal) {
  const events: RunEvent[] = [];
  const journal = await openJournal(join(folder, 'journal.ndjson'));
  const runner = createRunner({ journal, logDir: join(folder, 'logs'), signal, listen: (event) => events.push(event) });
  return { runner, events, names: () => events.map((event) => event.type) };
}

test('a step logs what its programs print, and is journalled', async () => {
  const folder = temporaryFolder();
  const { runner, names } = await attempt(folder);
  const output = await runner.step('greet', {}, async (task) => (await run('echo', ['hello'], { task })).stdout.trim());
  expect(output).toBe('hello');
  expect(names()).toEqual(['step-started', 'step-done']);
  expect(readFileSync(join(folder, 'logs/greet.log'), 'utf8')).toBe('$ echo hello\nhello\n');
});

test('what a step says is in its log too, without secrets', async () => {
  const folder = temporaryFolder();
  keepSecret('hunter2222');
  const { runner, events } = await attempt(folder);
  await runner.step('tell', {}, async (task) => task.say('left out: hunter2222'));
  expect(readFileSync(join(folder, 'logs/tell.log'), 'utf8')).toBe('# left out: ***\n');
  expect(events).toContainEqual({ type: 'step-line', step: 'tell', line: 'left out: ***' });
});

test('a full disk is named, also where the system says nothing of the file that was written', async () => {
  const folder = temporaryFolder();
  await mountTmpfs(folder, 'size=128k');
  const { runner, events } = await attempt(folder);
  const write = () => runner.step('write', {}, () => writeFile(join(folder, 'large'), Buffer.alloc(1 << 20)));
  const message = expect.stringMatching(/^The disk is full at .+\/logs.*: ENOSPC/);
  await expect(write()).rejects.toMatchObject({ code: 'disk-full', message });
  expect(events).toContainEqual(expect.objectContaining({ type: 'step-failed', message }));
});

test('I7: a full disk is the cause that is named first, whatever else a program said of it', async () => {
  const folder = temporaryFolder();
  await mountTmpfs(folder, 'size=128k');
  const { runner } = await attempt(folder);
  const said = new NightlyError('repo-unreachable', 'Failed to download: all mirrors were tried.', {
    hint: 'The network.',
  });
  const fail = (error: NightlyError) => runner.step('fail', {}, () => Promise.reject(error));
  await expect(fail(said)).rejects.toMatchObject({
    code: 'disk-full',
    message: expect.stringMatching(/^The disk is full at .+\/logs.*: Failed to download: all mirrors were tried\.$/),
    hint: expect.stringMatching(/^Free some space/),
  });
  const many = Object.assign(new Error("EMFILE: too many open files, open 'x'"), { code: 'EMFILE' });
  expect(asNightlyError(many)).toMatchObject({ code: 'usage', hint: expect.stringContaining('ulimit -n') });
  // What has nothing to do with disks stays as it is.
  await expect(fail(new NightlyError('package-downgrade', 'older'))).rejects.toMatchObject({ message: 'older' });
  await expect(
    run('sh', ['-c', 'echo "error: min-free-space-percent \'3%\' would be exceeded" >&2; exit 1']),
  ).rejects.toMatchObject({ code: 'disk-full', message: expect.stringMatching(/^The disk is full, so sh ended/) });
});

test('I4: a resumed run keeps what was done with the same input and repeats the rest', async () => {
  const folder = temporaryFolder();
  const first = await attempt(folder);
  await first.runner.step('a', { x: 1 }, async () => 'A');
  await expect(
    first.runner.step('b', {}, async () => {
      throw new NightlyError('compose', 'broken');
    }),
  ).rejects.toThrow('broken');

  const second = await attempt(folder);
  expect(await second.runner.step('a', { x: 1 }, async () => 'never')).toBe('A');
  expect(await second.runner.step('b', {}, async () => 'B')).toBe('B');
  expect(second.names()).toEqual(['step-kept', 'step-started', 'step-done']);

  const third = await attempt(folder);
  expect(await third.runner.step('a', { x: 2 }, async () => 'A2')).toBe('A2');
});

test('I4: a journal line cut short by a kill is dropped and the step repeated', async () => {
  const folder = temporaryFolder();
  const first = await attempt(folder);
  await first.runner.step('a', {}, async () => 'A');
  appendFileSync(join(folder, 'journal.ndjson'), '{"at":"2026-11-21T00:00:00Z","event":"done","step":"b","inp');
  const second = await attempt(folder);
  expect(await second.runner.step('a', {}, async () => 'never')).toBe('A');
  expect(await second.runner.step('b', {}, async () => 'B')).toBe('B');
  const lines = readFileSync(join(folder, 'journal.ndjson'), 'utf8').trimEnd().split('\n');
  expect(lines.map((line) => JSON.parse(line).event)).toEqual(['start', 'done', 'start', 'done']);
});

test('an interrupted step ends its programs and says how to go on', async () => {
  const folder = temporaryFolder();
  const controller = new AbortController();
  const { runner } = await attempt(folder, controller.signal);
  const step = runner.step('sleep', {}, (task) => run('sh', ['-c', 'sleep 60 & sleep 60'], { task }));
  setTimeout(() => controller.abort(), 100);
  await expect(step).rejects.toMatchObject({ code: 'interrupted', hint: expect.stringContaining('resume') });
});

test('I7: a limit on the size of files is the cause that is named first, also where a program names another', async () => {
  const { runner } = await attempt(temporaryFolder());
  const limited = (script: string) =>
    runner.step('limited', {}, (task) => run('sh', ['-c', `ulimit -f 1; ${script}`], { task }));
  const hint = expect.stringMatching(/^Raise the limit: "ulimit -f unlimited"/);
  await expect(limited(`exec seq 9999 > ${join(temporaryFolder(), 'x')}`)).rejects.toMatchObject({
    code: 'usage',
    message: expect.stringMatching(/^A file would have become larger than .*: sh was killed by SIGXFSZ/),
    hint,
  });
  const system = Object.assign(new Error('EFBIG: file too large, write'), { code: 'EFBIG' });
  expect(asNightlyError(system)).toMatchObject({ code: 'usage', hint });

  const fail = () => runner.step('fail', {}, () => Promise.reject(new NightlyError('compose', 'rpmdb open failed')));
  await expect(fail()).rejects.toMatchObject({ message: 'rpmdb open failed' });
  // What this process may write has a limit that is far off: of a program that says nothing it may be the cause.
  const limit = (size: string) => run('prlimit', ['--pid', String(process.pid), `--fsize=${size}:`]);
  await limit(String(2 ** 40));
  try {
    await expect(fail()).rejects.toMatchObject({
      message: expect.stringMatching(/^Files may not become larger than .* \(ulimit -f\), .*: rpmdb open failed$/),
      hint,
    });
  } finally {
    await limit('unlimited');
  }
});

test('I7: a full disk is told apart from other failures', async () => {
  const { runner } = await attempt(temporaryFolder());
  const step = runner.step('write', {}, (task) => run('sh', ['-c', 'seq 9 >/dev/full'], { task }));
  await expect(step).rejects.toMatchObject({ code: 'disk-full', hint: expect.stringContaining('Free some space') });
});
