import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { commandLine, run, start } from '../../src/tools/exec.ts';
import { isAlive } from '../support/processes.ts';
import { temporaryFolder, testTask } from '../support/tmp.ts';

test('gives output and exit code, in one language and time zone', async () => {
  const result = await run('sh', ['-c', 'echo "$LC_ALL $TZ"; echo oops >&2; exit 3'], { okExitCodes: [3] });
  expect(result).toEqual({ exitCode: 3, stdout: 'C.UTF-8 UTC\n', stderr: 'oops\n' });
});

test('a program that is not there is named, with what installs it', async () => {
  const missing = { code: 'tool-missing', message: 'The program no-such-program is not installed.' };
  await expect(run('no-such-program', [])).rejects.toMatchObject(missing);
  await expect(start('no-such-program', [])).rejects.toMatchObject(missing);
});

test('a failure says the command, the exit code and its last lines, and names the log', async () => {
  const folder = temporaryFolder();
  const failing = run('sh', ['-c', 'for n in $(seq 40); do echo "line $n"; done >&2; exit 7'], {
    task: testTask(folder),
  });
  await expect(failing).rejects.toMatchObject({
    code: 'tool-failed',
    message: expect.stringMatching(/ended with exit code 7\.\nline 29\n(.*\n)*line 40$/),
    log: join(folder, 'task.log'),
  });
  expect(readFileSync(join(folder, 'task.log'), 'utf8')).toContain('line 1\n');
});

test('a time limit ends the whole process group', async () => {
  const folder = temporaryFolder();
  const pidFile = join(folder, 'pid');
  const slow = run('sh', ['-c', `sleep 60 & echo $! > ${pidFile}; wait`], { timeoutMs: 300 });
  await expect(slow).rejects.toThrow('did not end within 0.3 s');
  await sleep(50);
  expect(isAlive(Number(readFileSync(pidFile, 'utf8')))).toBe(false);
});

test('an aborted task starts nothing', async () => {
  const folder = temporaryFolder();
  const reason = new Error('stopped');
  await expect(run('touch', [join(folder, 'x')], { task: testTask(folder, AbortSignal.abort(reason)) })).rejects.toBe(
    reason,
  );
});

test('lines arrive while the program runs, and its input is what was given', async () => {
  const lines: string[] = [];
  await run('sh', ['-c', 'cat; echo err >&2'], {
    input: 'one\ntwo',
    onLine: (line, stream) => lines.push(`${stream} ${line}`),
  });
  expect(lines.toSorted()).toEqual(['stderr err', 'stdout one', 'stdout two']);
});

test('a background program is stopped with its children', async () => {
  const running = await start('sh', ['-c', 'trap "" TERM; sleep 60 & wait']);
  await running.stop(100);
  expect(await running.exited).toBeNull();
});

test('a command line is quoted as a shell would need it', () => {
  expect(commandLine('echo', ['a b', "it's", '--x=1', ''])).toBe("echo 'a b' 'it'\\''s' --x=1 ''");
});
