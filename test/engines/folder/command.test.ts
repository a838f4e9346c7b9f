import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { mountsIn } from '../../../src/base/mounts.ts';
import { createCheckoutEngine } from '../../../src/engines/folder/checkout-engine.ts';
import { createCommandEngine } from '../../../src/engines/folder/command-engine.ts';
import { run } from '../../../src/programs/exec.ts';
import { unmountIn } from '../../../src/programs/mount.ts';
import { removeTree } from '../../../src/programs/rm.ts';
import { temporaryFolder, testTask } from '../../support/tmp.ts';

/** A folder with a program that fills trees, and what commits them. */
async function bed() {
  const dir = temporaryFolder();
  onTestFinished(() => unmountIn(dir));
  const repo = join(dir, 'repo');
  await run('ostree', ['init', `--repo=${repo}`, '--mode=archive']);
  const task = testTask(dir);
  const request = {
    ...{ cacheDir: join(dir, 'cache'), scratchDir: join(dir, 'scratch') },
    ...{ bootable: false, timestamp: 1_700_000_000 },
  };
  const root = join(request.scratchDir, 'root');
  const script = (name: string, ...lines: string[]) =>
    writeFileSync(join(dir, name), ['#!/bin/sh', 'set -e', ...lines, ''].join('\n'), { mode: 0o755 });
  script('inputs', 'echo one');
  return {
    ...{ dir, root, task, request },
    make: (...lines: string[]) => script('make', 'mkdir -p "$ATOMIC_ROOT/usr/lib"', ...lines),
    script,
    async commit(): Promise<string> {
      const engine = await createCommandEngine({
        ...{ type: 'command', command: ['./make'], inputs: { command: ['./inputs'] } },
        ...{ owner: 'keep', var: 'folders', workingFolder: dir },
      });
      const { inputHash } = await engine.readInputs(request, task);
      const { commit } = await engine.compose({ ...request, inputHash, repo, ref: 'a/b', version: '1' }, task);
      return (await run('ostree', [`--repo=${repo}`, 'ls', '-R', commit])).stdout;
    },
  };
}

/** Whether a process runs: one that has ended stays listed until its parent asks. */
function isRunning(pid: string): boolean {
  const stat = `/proc/${pid}/stat`;
  return existsSync(stat) && !readFileSync(stat, 'utf8').includes(') Z ');
}

test('mounts that a command leaves in the tree are refused, each with its path, and unmounted', async () => {
  const { dir, root, make, commit } = await bed();
  mkdirSync(join(dir, 'own'));
  writeFileSync(join(dir, 'own/file'), 'kept\n');
  make(
    'cd "$ATOMIC_ROOT/usr/lib"',
    'mkdir other same "with blank" && touch file',
    'mount -t tmpfs none other',
    `mount --bind ${dir}/own same`,
    `mount --bind ${dir}/own "with blank"`,
    `mount --bind ${dir}/own/file file`,
  );
  const refusal = await commit().catch((error: Error) => error.message.split('\n').slice(1).toSorted());
  expect(refusal).toEqual(
    ['file', 'other', 'same', 'with blank'].map((name) => `  /usr/lib/${name}: something is mounted here`),
  );
  expect(await mountsIn(root)).toEqual([]);
  expect(readFileSync(join(dir, 'own/file'), 'utf8')).toBe('kept\n');
  make('cp inputs "$ATOMIC_ROOT/usr/lib/own"');
  expect(await commit()).toMatch(/ \/usr\/lib\/own\n/);
});

test('what a killed command had mounted is unmounted, not removed, before the command runs again', async () => {
  const { dir, root, make, commit } = await bed();
  for (const folder of [join(dir, 'own'), join(root, 'home')]) mkdirSync(folder, { recursive: true });
  writeFileSync(join(dir, 'own/file'), 'kept\n');
  await run('mount', ['--bind', join(dir, 'own'), join(root, 'home')]);
  make('touch "$ATOMIC_ROOT/usr/lib/whole"');
  const listed = await commit();
  expect(listed).toContain('/usr/lib/whole');
  expect(listed).not.toContain('/home');
  expect(readFileSync(join(dir, 'own/file'), 'utf8')).toBe('kept\n');
});

test('a mount in a checkout is refused and stays; no removal of a folder reaches what is mounted in it', async () => {
  const { dir, task, request } = await bed();
  const tree = join(dir, 'tree');
  for (const folder of [join(dir, 'own'), join(tree, 'usr/lib')]) mkdirSync(folder, { recursive: true });
  writeFileSync(join(dir, 'own/file'), 'kept\n');
  await run('mount', ['--bind', join(dir, 'own'), join(tree, 'usr/lib')]);
  const engine = await createCheckoutEngine({ type: 'checkout', path: tree, owner: 'keep', var: 'folders' });
  await expect(engine.readInputs(request, task)).rejects.toThrow('  /usr/lib: something is mounted here');
  await expect(removeTree(tree, task)).rejects.toThrow(`something is mounted at ${tree}/usr/lib`);
  expect(readFileSync(join(tree, 'usr/lib/file'), 'utf8')).toBe('kept\n');
});

test('what a command or its inputs leave running is ended before the tree is read, whatever group it is in', async () => {
  const { dir, task, make, script, commit } = await bed();
  // Each would keep the build waiting for its output, or write to the tree while it is read.
  script('writer', 'echo $$ >>pids', 'while :; do date +%N >"$1"; done');
  script('inputs', 'sleep 1000 & echo $! >>pids', 'echo one');
  make(
    'sleep 1000 & echo $! >>pids',
    'setsid sleep 1000 & echo $! >>pids',
    'setsid ./writer "$ATOMIC_ROOT/usr/lib/late" >/dev/null 2>&1 &',
    'while [ ! -s "$ATOMIC_ROOT/usr/lib/late" ]; do sleep 0.05; done',
  );
  expect(await commit()).toContain('/usr/lib/late');
  const pids = readFileSync(join(dir, 'pids'), 'utf8').trim().split('\n');
  expect(pids).toHaveLength(4);
  expect(pids.filter(isRunning)).toEqual([]);
  // The writer may be caught together with a process of its own, which becomes a `date`.
  const told = pids.filter((pid) =>
    task.lines.some((line) => line.startsWith('ended what it left running: ') && line.endsWith(`(process ${pid})`)),
  );
  expect(told).toHaveLength(3);
});

test('a command that fails leaves nothing running either', async () => {
  const { dir, make, commit } = await bed();
  make('setsid sleep 1000 & echo $! >pids', 'echo "E: no mirror" >&2', 'exit 3');
  await expect(commit()).rejects.toThrow(/exit code 3\.\nE: no mirror/);
  expect(isRunning(readFileSync(join(dir, 'pids'), 'utf8').trim())).toBe(false);
});

test('a command that is stopped takes along what left its group', async () => {
  const { dir, request, make } = await bed();
  const stop = new AbortController();
  const task = testTask(dir, stop.signal);
  make('setsid sleep 1000 & echo $! >pids', 'sleep 1000');
  const engine = await createCommandEngine({
    ...{ type: 'command', command: ['./make'], inputs: { files: [join(dir, 'make')] } },
    ...{ owner: 'keep', var: 'folders', workingFolder: dir },
  });
  const { inputHash } = await engine.readInputs(request, task);
  const composing = engine.compose({ ...request, inputHash, repo: 'none', ref: 'a', version: '1' }, task);
  const pids = join(dir, 'pids');
  while (!existsSync(pids) || readFileSync(pids, 'utf8') === '') await sleep(20);
  stop.abort(new Error('stopped by the test'));
  await expect(composing).rejects.toThrow('stopped by the test');
  const pid = readFileSync(pids, 'utf8').trim();
  while (isRunning(pid)) await sleep(20);
});

test('what an inputs program prints is text of some length; anything else is refused, and its process ended', async () => {
  const { dir, script, make, commit } = await bed();
  make();
  for (const [line, why] of [
    ['printf "key \\\\377\\\\n"', './inputs printed bytes that are not UTF-8'],
    ['echo $$ >pid; exec yes "$(seq 100 | tr -d "\\n")"', './inputs printed more than 16.8 MB'],
    ['tr "\\0" x </dev/zero', './inputs printed more than 16.8 MB'],
    ['true', './inputs printed nothing'],
  ] as const) {
    script('inputs', line);
    await expect(commit(), line).rejects.toMatchObject({ code: 'compose', message: expect.stringContaining(why) });
  }
  expect(isRunning(readFileSync(join(dir, 'pid'), 'utf8').trim())).toBe(false);
  script('inputs', 'echo one');
  writeFileSync(join(dir, 'make'), '#!/no/such/shell\n', { mode: 0o755 });
  await expect(commit()).rejects.toMatchObject({
    code: 'tool-missing',
    message: expect.stringContaining(`There is no program ./make in ${dir}`),
  });
});

test('a folder that the command removed or replaced is refused, and a report that is none', async () => {
  const { dir, make, commit } = await bed();
  mkdirSync(join(dir, 'other/usr'), { recursive: true });
  for (const line of ['true', `ln -s ${dir}/other "$ATOMIC_ROOT"`, 'echo >"$ATOMIC_ROOT"']) {
    make('rm -rf "$ATOMIC_ROOT"', line);
    await expect(commit(), line).rejects.toThrow('./make removed the folder $ATOMIC_ROOT, or put something else');
  }
  expect(existsSync(join(dir, 'other/usr'))).toBe(true);
  for (const [line, why] of [
    ['mkdir "$ATOMIC_PROVENANCE"', 'is not a file'],
    ['ln -s /etc/passwd "$ATOMIC_PROVENANCE"', 'is not a file'],
    ['mkfifo "$ATOMIC_PROVENANCE"', 'is not a file'],
    ['printf "components: [{name: \\\\377}]" >"$ATOMIC_PROVENANCE"', 'is not UTF-8'],
    ['truncate -s 17M "$ATOMIC_PROVENANCE"', 'is larger than'],
  ] as const) {
    make(line);
    await expect(commit(), line).rejects.toMatchObject({
      code: 'compose',
      message: expect.stringMatching(new RegExp(`^What the command wrote to \\$ATOMIC_PROVENANCE ${why}`)),
    });
  }
});

test('files are inputs by content, wherever a link leads that is named itself', async () => {
  const { dir, request, task } = await bed();
  const engine = (...files: string[]) =>
    createCommandEngine({
      ...{ type: 'command', command: ['./make'], owner: 'keep', var: 'folders', workingFolder: dir },
      inputs: { files: files.map((file) => join(dir, file)) as [string, ...string[]] },
    });
  const hash = async (...files: string[]) => (await (await engine(...files)).readInputs(request, task)).inputHash;
  await run('sh', [
    '-c',
    'cd "$0"; mkdir a b c; echo 1 >a/f; echo 2 >b/f; ln -s a now; ln -s now then; mkfifo c/p',
    dir,
  ]);
  const before = await hash('then');
  await run('ln', ['-sfn', 'b', join(dir, 'now')]);
  expect(await hash('then')).not.toBe(before);
  await expect(hash('none')).rejects.toThrow(`There is no ${dir}/none, which "inputs.files" names`);
  await expect(hash('a/f/x')).rejects.toThrow(`There is no ${dir}/a/f/x, which "inputs.files" names`);
  await expect(hash('c')).rejects.toThrow(`${dir}/c/p is neither a file nor a folder`);
  await run('sh', ['-c', `cd "$0"; touch "$(printf 'b/x\\377')"`, dir]);
  await expect(hash('b')).rejects.toThrow(`${dir}/b has a name that is not UTF-8, x\\xff`);
});
