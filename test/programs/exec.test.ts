import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test, vi } from 'vitest';
import { converse } from '../../src/programs/converse.ts';
import { run, start } from '../../src/programs/exec.ts';
import { launch } from '../../src/programs/launch.ts';
import { commandLine } from '../../src/programs/program-fault.ts';
import { removeTree } from '../../src/programs/rm.ts';
import { isAlive } from '../support/processes.ts';
import { temporaryFolder, testTask } from '../support/tmp.ts';

test('gives output and exit code, in one language and time zone', async () => {
  const result = await run('sh', ['-c', 'echo "$LC_ALL $TZ"; echo oops >&2; exit 3'], { okExitCodes: [3] });
  expect(result).toEqual({ exitCode: 3, stdout: 'C.UTF-8 UTC\n', stderr: 'oops\n' });
});

test('K18: a program that prints without an end is ended, with all that it started', async () => {
  const endless = run('sh', ['-c', 'yes & echo $! >&2; wait'], { mostBytes: 1_000_000 });
  const error = await endless.catch((caught: unknown) => caught);
  expect(error).toMatchObject({
    code: 'tool-failed',
    message: expect.stringMatching(/^sh printed more than is taken/),
  });
  const pid = Number(/\n(\d+)$/.exec((error as Error).message)?.[1]);
  expect(isAlive(pid)).toBe(false);
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

test('K19: what tidies up is not in the log of a step; its failure says how it was run', async () => {
  const folder = temporaryFolder();
  const task = testTask(folder);
  mkdirSync(join(folder, 'tree/usr'), { recursive: true });
  await removeTree(join(folder, 'tree'), task);
  expect(readdirSync(folder)).not.toContain('tree');
  const failing = run('sh', ['-c', 'echo no >&2; exit 1'], { task, logged: false });
  await expect(failing).rejects.toMatchObject({ hint: "It was run as: sh -c 'echo no >&2; exit 1'" });
  expect(readdirSync(folder)).not.toContain('task.log');
});

test('K19: what a program prints for this one to read is not in the log of a step, only how much it was', async () => {
  const folder = temporaryFolder();
  const task = testTask(folder);
  const log = () => readFileSync(join(folder, 'task.log'), 'utf8');
  const { stdout } = await run('sh', ['-c', 'seq 1000; echo careful >&2'], { task, data: true });
  expect(stdout).toHaveLength(3893);
  expect(log()).toMatch(/^\$ sh -c 'seq 1000; echo careful >&2'\n/);
  expect(log().split('\n').slice(1).sort()).toEqual(['', '(3893 bytes of data)', 'careful']);
  const lines: string[] = [];
  await run('sh', ['-c', 'echo "{1}"; echo for people; echo "{2}"'], {
    task,
    data: (line) => line.startsWith('{'),
    onLine: (line) => void lines.push(line),
  });
  expect(lines).toEqual(['{1}', 'for people', '{2}']);
  expect(log()).toMatch(/\nfor people\n\(8 bytes of data\)\n$/);
  expect(log()).not.toMatch(/\{1\}\n/);
});

test('a failure begins with the program and what became of it, not with its arguments', async () => {
  const folder = temporaryFolder();
  const long = 'x'.repeat(400);
  await expect(run('/usr/bin/ls', ['--', `/no/${long}`], { task: testTask(folder) })).rejects.toMatchObject({
    message: expect.stringMatching(/^ls ended with exit code 2\.\n.*(File name too long|No such file)/),
    hint: expect.stringContaining('command line'),
  });
  expect(readFileSync(join(folder, 'task.log'), 'utf8')).toContain(`$ /usr/bin/ls -- /no/${long}\n`);
  await expect(run('git', ['status', `--${long}`])).rejects.toMatchObject({
    message: expect.stringMatching(/^git status ended with exit code 129\./),
    hint: expect.stringMatching(/^It was run as: git status --xxx/),
  });
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

/** Prints what its standard input, output and error are, and what of systemd's it finds in its environment. */
const LOOK = [
  'for n in 0 1 2; do stat -L -c %F /proc/$$/fd/$n; done',
  "env | grep -E '^(INVOCATION_ID|JOURNAL_STREAM|NOTIFY_SOCKET|WATCHDOG_|LISTEN_|SYSTEMD_EXEC)' || echo clean",
].join('\n');

/** Environment as a service of systemd has it. */
function asService(): void {
  for (const name of ['INVOCATION_ID', 'JOURNAL_STREAM', 'NOTIFY_SOCKET', 'WATCHDOG_USEC', 'LISTEN_FDS']) {
    vi.stubEnv(name, '1');
  }
  onTestFinished(() => {
    vi.unstubAllEnvs();
  });
}

test('programs have pipes and files, never sockets, and do not hear of systemd: run', async () => {
  asService();
  const files = 'character special file\nfifo\nfifo\nclean\n';
  expect((await run('sh', ['-c', LOOK])).stdout).toBe(files);
  expect((await run('sh', ['-c', LOOK], { input: 'x' })).stdout).toBe(files.replace('character special file', 'fifo'));
  expect((await run('test', ['-p', '/dev/stdin'], { input: '' })).exitCode).toBe(0);
  // Who must have one of them is given it by name.
  const told = await run('sh', ['-c', 'echo "$NOTIFY_SOCKET"'], { env: { NOTIFY_SOCKET: '/x' } });
  expect(told.stdout).toBe('/x\n');
});

test('programs have pipes and files, never sockets, and do not hear of systemd: start', async () => {
  asService();
  const lines: string[] = [];
  const running = await start('sh', ['-c', LOOK], { keepStdinOpen: true, onLine: (line) => lines.push(line) });
  expect(await running.exited).toBe(0);
  expect(lines).toEqual(['fifo', 'fifo', 'fifo', 'clean']);
});

test('programs have pipes and files, never sockets, and do not hear of systemd: launch', async () => {
  asService();
  const path = join(temporaryFolder(), 'output');
  const launched = await launch('sh', ['-c', LOOK], { output: { path, flags: 'w' } });
  expect(await launched.exited).toBe(0);
  expect(readFileSync(path, 'utf8')).toMatch(/^character special file\nregular (empty )?file\nregular file\nclean\n$/);
});

test('programs have pipes and files, never sockets, and do not hear of systemd: converse', async () => {
  asService();
  const talk = converse('sh', ['-c', `${LOOK}; cat`], { task: testTask(temporaryFolder()) });
  talk.stdin.end('and what was said\n');
  expect(await text(talk.stdout)).toBe('fifo\nfifo\nfifo\nclean\nand what was said\n');
  await talk.ended;
});

test('pipes hold back a program that writes faster than is read, and lose nothing', async () => {
  const talk = converse('sh', ['-c', 'head -c 50000000 /dev/zero; exec cat'], { task: testTask(temporaryFolder()) });
  const sent = Buffer.alloc(5_000_000, 'x');
  talk.stdin.end(sent);
  await sleep(100);
  expect(talk.stdout.readableLength).toBeLessThan(1_000_000);
  let bytes = 0;
  for await (const chunk of talk.stdout) bytes += chunk.length;
  await talk.ended;
  expect(bytes).toBe(50_000_000 + sent.length);
});

test('a program that reads nothing of its input is no fault, and neither is one that ends in the middle', async () => {
  const input = Buffer.alloc(3_000_000);
  expect((await run('true', [], { input })).exitCode).toBe(0);
  expect((await run('head', ['-c', '3'], { input })).stdout).toHaveLength(3);
});

test('many programs at a time leave no descriptor and no folder behind', async () => {
  const open = () => readdirSync('/proc/self/fd').length;
  const folders = () => readdirSync(tmpdir()).filter((name) => name.startsWith(`atomic-nightly-pipes-${process.pid}-`));
  await run('true', []);
  const before = open();
  const all = Array.from({ length: 80 }, (_, n) => run('cat', [], { input: `text ${n}` }));
  expect((await Promise.all(all)).map(({ stdout }) => stdout)).toEqual(all.map((_, n) => `text ${n}`));
  // At most what is kept ready for the next ones.
  await vi.waitFor(() => expect(open()).toBeLessThanOrEqual(before + 32));
  expect(folders()).toEqual([]);
});

test('arguments that no program can be given are a failure in words', async () => {
  await expect(run('echo', ['a\0b'])).rejects.toMatchObject({
    code: 'tool-failed',
    message: expect.stringMatching(/could not be started/),
  });
  const long = 'x'.repeat(200_000);
  await expect(run('echo', [long])).rejects.toMatchObject({
    code: 'tool-failed',
    message: expect.stringMatching(/could not be started.*E2BIG/),
  });
});

test('a program whose folder is not there is not told as one that is not installed', async () => {
  const cwd = join(temporaryFolder(), 'gone');
  const fault = { code: 'tool-failed', message: expect.stringContaining(cwd) };
  await expect(run('true', [], { cwd })).rejects.toMatchObject(fault);
  await expect(start('true', [], { cwd })).rejects.toMatchObject(fault);
  await expect(converse('true', [], { cwd, task: testTask(temporaryFolder()) }).ended).rejects.toMatchObject(fault);
  await expect(run('no-such-program', [], { cwd: temporaryFolder() })).rejects.toMatchObject({ code: 'tool-missing' });
});

test('what a listener of lines throws is the failure, and no rejection is left unhandled', async () => {
  const unhandled: unknown[] = [];
  const note = (reason: unknown) => unhandled.push(reason);
  process.on('unhandledRejection', note);
  onTestFinished(() => void process.off('unhandledRejection', note));
  const onLine = (): never => {
    throw new Error('no such line');
  };
  await expect(run('echo', ['one'], { onLine })).rejects.toThrow('no such line');
  await sleep(50);
  expect(unhandled).toEqual([]);
});
