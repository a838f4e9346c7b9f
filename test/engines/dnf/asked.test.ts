import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { answers, readReport, watched } from '../../../src/engines/dnf/asked.ts';
import { run } from '../../../src/programs/exec.ts';
import { temporaryFolder } from '../../support/tmp.ts';

/** What a Python program asks for; `{dir}` in it is a folder. */
async function askedBy(program: string, prepare: (dir: string) => void = () => undefined) {
  const dir = temporaryFolder();
  prepare(dir);
  const report = join(dir, 'report.json');
  const python = '/usr/bin/python3';
  const text = `import ctypes, os, subprocess, threading\nlibc = ctypes.CDLL(None)\n${program.replaceAll('{dir}', dir)}`;
  const [command = '', ...args] = watched([python, '-I', '-S', '-c', text], { program: python, report });
  const { exitCode } = await run(command, args, { okExitCodes: [0, 3] });
  const result = await readReport(report);
  return { dir, exitCode, result, how: (path: string) => ('unknown' in result ? result.unknown : result.asked[path]) };
}

const file = (path: string) => (dir: string) => {
  writeFileSync(join(dir, path), '');
};

it.each([
  ['a file that is read', "open('{dir}/x').read()", file('x'), '/x', /r/],
  ['a file that is only written', "os.open('{dir}/x', os.O_WRONLY)", file('x'), '/x', /^s$/],
  ['a name that is not there', "os.path.exists('{dir}/none')", () => undefined, '/none', /^s$/],
  [
    'a link itself',
    "os.lstat('{dir}/l'); os.readlink('{dir}/l')",
    (dir) => symlinkSync('x', join(dir, 'l')),
    '/l',
    /^l$/,
  ],
  ['a relative path', "os.chdir('{dir}'); os.access('sub/x', 0)", () => undefined, '/sub/x', /^s$/],
  ['a path from a descriptor', "os.stat('x', dir_fd=os.open('{dir}', os.O_PATH))", file('x'), '/x', /^s$/],
  [
    'a folder that is listed by its descriptor',
    "os.listdir(os.open('{dir}', os.O_PATH | os.O_DIRECTORY) and os.open('{dir}', os.O_RDONLY))",
    () => undefined,
    '',
    /d/,
  ],
  ['attributes of an open file', "os.listxattr(os.open('{dir}/x', os.O_RDONLY))", file('x'), '/x', /x/],
  [
    'what a thread asks',
    "t = threading.Thread(target=lambda: os.path.exists('{dir}/t')); t.start(); t.join()",
    () => undefined,
    '/t',
    /^s$/,
  ],
  [
    'what a child asks that is left behind',
    "os.fork() or (os.setsid(), os.fork() or (os.path.exists('{dir}/late'), os._exit(0)), os._exit(0)); os.wait()",
    () => undefined,
    '/late',
    /^s$/,
  ],
  ['a program that cannot be run', "subprocess.call(['/bin/sh', '-c', '{dir}/x || true'])", file('x'), '/x', /[sr]/],
  [
    'the interpreter of a script',
    "os.chmod('{dir}/x', 0o755); subprocess.call(['{dir}/x'])",
    (dir) => writeFileSync(join(dir, 'x'), `#!/usr/bin/env true\n`),
    '/x',
    /r/,
  ],
  ['a path after a chroot', "os.chroot('{dir}'); os.path.exists('/in/jail')", () => undefined, '/in/jail', /^s$/],
  ['a name that is made', "os.mkdir('{dir}/d')", () => undefined, '/d', /^l$/],
  ['a name that is renamed', "os.rename('{dir}/x', '{dir}/y')", file('x'), '/x', /^r$/],
  [
    'a path without a library’s help',
    "libc.syscall(ctypes.c_long(437), -100, b'{dir}/direct', (ctypes.c_uint64 * 3)(0, 0, 0), 24)",
    () => undefined,
    '/direct',
    /^r$/,
  ],
] satisfies readonly (readonly [string, string, (dir: string) => void, string, RegExp])[])(
  'sees %s',
  async (_, program, prepare, path, how) => {
    const asked = await askedBy(program, prepare);
    expect(asked.how(asked.dir + path)).toMatch(how);
  },
);

it('sees what the kernel opens to run a program: the interpreter, and the loader', async () => {
  const { how } = await askedBy("os.chmod('{dir}/x', 0o755); subprocess.call(['{dir}/x'])", (dir) =>
    writeFileSync(join(dir, 'x'), '#!/usr/bin/env true\n'),
  );
  expect(how('/usr/bin/env')).toContain('r');
  expect(how('/lib64/ld-linux-x86-64.so.2')).toContain('r');
});

it.each([
  ['mounts', "libc.umount2(b'/nowhere', 0)", /umount2/],
  ['opens by a handle', 'libc.open_by_handle_at(-1, None, 0)', /open_by_handle_at/],
  ['takes another way into the kernel', 'libc.syscall(ctypes.c_long(425), 1, None)', /io_uring_setup/],
  ['asks for a name that is not UTF-8', "os.path.exists(b'/\\xff')", /UTF-8/],
  ['has a path in it that was reached through /proc', "os.path.exists('/proc/self/cwd/x')", /cwd/],
])('does not claim to know what a program asks that %s', async (_, program, reason) => {
  const { result } = await askedBy(program);
  expect('unknown' in result && result.unknown).toMatch(reason);
});

it('ends as the command does: its exit code, its signal, its output', async () => {
  expect((await askedBy('os._exit(3)')).exitCode).toBe(3);
  const dir = temporaryFolder();
  const [command = '', ...args] = watched(['/bin/sh', '-c', 'echo out; kill -TERM $$'], {
    program: '/bin/sh',
    report: join(dir, 'report.json'),
  });
  await expect(run(command, args)).rejects.toThrow(/killed by SIGTERM/);
});

it('runs the command all the same where it cannot watch, and tells why', async () => {
  const dir = temporaryFolder();
  const [outer, inner] = [join(dir, 'outer'), join(dir, 'inner')];
  // Linux has one listener for a process: the inner one cannot be.
  const nested = watched(['/bin/sh', '-c', `echo done > ${dir}/done`], { program: '/bin/sh', report: inner });
  const [command = '', ...args] = watched(nested, { program: '/usr/bin/python3', report: outer });
  await run(command, args);
  expect(readFileSync(join(dir, 'done'), 'utf8')).toBe('done\n');
  expect(await readReport(inner)).toEqual({ unknown: expect.stringMatching(/^seccomp: .*busy/i) });
});

it('does not take a missing or a damaged report for an empty one', async () => {
  const path = join(temporaryFolder(), 'report.json');
  expect(await readReport(path)).toHaveProperty('unknown');
  for (const text of ['', '{', '{}', '{"complete":true}', '{"complete":true,"outside":[],"asked":{"x":"r"}}']) {
    writeFileSync(path, text);
    expect(await readReport(path)).toHaveProperty('unknown');
  }
});

it('answers inside the tree, however links lead', () => {
  const root = temporaryFolder();
  mkdirSync(join(root, 'usr/etc'), { recursive: true });
  mkdirSync(join(root, 'etc'));
  writeFileSync(join(root, 'usr/etc/there'), 'tree\n');
  for (const [name, target] of [
    ['up', '../../../../../../../etc/there'],
    ['absolute', '/etc/there'],
    ['loop', 'loop'],
    ['host', '/bin/sh'],
    ['away', '/tmp/x/y'],
  ] as const) {
    symlinkSync(target, join(root, name));
  }
  expect(existsSync('/bin/sh')).toBe(true);
  const { of } = answers(root, ['/tmp']);
  expect(of('/up', 's')).toMatch(/ 100644 0:0$/);
  expect(of('/absolute', 's')).toMatch(/ 100644 0:0$/);
  expect(of('/etc/../usr/./etc/there/', 's')).toBe('no folder');
  expect(of('/loop', 's')).toMatch(/loop$/);
  expect(of('/host', 's')).toMatch(/none$/);
  expect(of('/away', 's')).toMatch(/outside$/);
  expect(of('/etc/there/below', 's')).toBe('no folder');
  expect(of('/etc/none/below', 'l')).toBe('none');
});
