import { spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { mkdir, readdir, readFile, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { run } from '../../../src/programs/exec.ts';
import type { Target, TargetFile } from '../../../src/targets/target.ts';
import { mountTmpfs, readOnlyFolder } from '../../support/mounts.ts';
import { type SlowLink, startSlowLink } from '../../support/slow-link.ts';
import { startSshd } from '../../support/sshd.ts';
import { accessOf, bed, sshBed, tarOverSsh } from '../../support/target-beds.ts';
import { temporaryFolder, testTask } from '../../support/tmp.ts';
import { until } from '../../support/until.ts';

const bytes = (text: string): Uint8Array => Buffer.from(text);
const MB = 1_000_000;
const FAR_SH = new URL('../../../src/targets/ssh/far.sh', import.meta.url).pathname;

async function link(port: number, roundTripMs: number): Promise<SlowLink> {
  const proxy = await startSlowLink({ port, roundTripMs });
  onTestFinished(() => proxy.stop());
  return proxy;
}

/** Files of that size below `builds/`. */
async function largeFiles(source: string, count: number, size: number): Promise<string[]> {
  const paths = Array.from({ length: count }, (_, index) => `builds/image-${index}`);
  for (const [index, path] of paths.entries()) await writeFile(join(source, path), Buffer.alloc(size, index + 1));
  return paths;
}

async function listed(target: Target, folder: string, dir: string): Promise<TargetFile[]> {
  const files: TargetFile[] = [];
  for await (const file of target.list(folder, testTask(dir))) files.push(file);
  return files;
}

/** What is left of what was on its way; a connection that was cut early enough left not even the folder. */
function staged(far: string): string[] {
  const stage = join(far, '.atomic-nightly');
  return existsSync(stage) ? readdirSync(stage) : [];
}

describe('reading', () => {
  it('I15: reads a large file whole, and gives each path its own content', async () => {
    const { dir, sshd } = await sshBed();
    const far = join(dir, 'far');
    const target = tarOverSsh(accessOf(sshd), far);
    await mkdir(far, { recursive: true });
    const large = Buffer.alloc(40 * MB, 'abc');
    await writeFile(join(far, 'large'), large);
    await writeFile(join(far, 'empty'), '');
    await writeFile(join(far, 'small'), 'small');
    const [first, second, third, fourth] = await target.readMany(['large', 'none', 'empty', 'small'], testTask(dir));
    expect(large.equals(first ?? new Uint8Array())).toBe(true);
    expect([second, third, fourth]).toEqual([undefined, bytes(''), bytes('small')]);
  });

  it.each([
    ['a FIFO', ['mkfifo']],
    ['a folder', ['mkdir']],
    ['a link to a device without an end', ['ln', '-s', '/dev/zero']],
  ])('I7: names %s in the place of a file, and does not wait for it', async (_, [make = '', ...args]) => {
    const { dir, sshd } = await sshBed();
    const far = join(dir, 'far');
    const target = tarOverSsh(accessOf(sshd), far);
    await mkdir(far, { recursive: true });
    await writeFile(join(far, 'before'), 'there');
    await run(make, [...args, join(far, 'builds.json')]);
    const fault = {
      code: 'target-unreachable',
      message: expect.stringMatching(
        /^Target ".*" has no regular file where a file should be: .*:.*\/far\/builds\.json$/,
      ),
    };
    const paths = ['before', 'builds.json', 'after'];
    await expect(target.read('builds.json', testTask(dir))).rejects.toMatchObject(fault);
    await expect(target.readMany(paths, testTask(dir))).rejects.toMatchObject(fault);
    await expect(target.readWithLinks(paths, 'repo', testTask(dir))).rejects.toMatchObject(fault);
    expect(await target.read('before', testTask(dir))).toEqual(bytes('there'));
  });
});

describe('paths are data', () => {
  const NAMES = ["it's", '-rf', '$(touch pwned)', 'a  b ', '"; exit', 'back\\slash', 'é€', 'x'.repeat(120), '*', '%s'];

  it('sends, reads, lists and removes files of any name below a folder of any name', async () => {
    const { dir, source, sshd } = await sshBed();
    const far = join(dir, "far $(touch pwned) 'n'");
    const target = tarOverSsh(accessOf(sshd), far);
    const task = testTask(dir);
    const paths = NAMES.map((name) => `builds/${name}/${name}`);
    for (const path of paths) {
      await mkdir(join(source, path, '..'), { recursive: true });
      await writeFile(join(source, path), path);
    }
    expect((await target.send(source, paths, { immutable: true }, task)).files).toBe(paths.length);
    expect((await target.send(source, paths, { immutable: false }, task)).files).toBe(paths.length);
    expect(await target.send(source, paths, { immutable: true }, task)).toEqual({ files: 0, bytes: 0 });
    expect(await target.readMany(paths, task)).toEqual(paths.map(bytes));
    const put = paths.map((path) => ({ path, content: bytes('new') }));
    await target.swap({ expect: paths.map((path) => ({ path, content: bytes(path) })), put }, task);
    const files = await listed(target, 'builds', dir);
    expect(files.map(({ path }) => path).sort()).toEqual([...paths].sort());
    expect(files.every((file) => file.bytes === 3)).toBe(true);
    await target.remove(paths.slice(1), task);
    expect(await listed(target, 'builds', dir)).toEqual([{ path: paths[0], bytes: 3 }]);
    expect(existsSync(join(far, 'pwned')) || existsSync(join(dir, 'pwned'))).toBe(false);
  });
});

describe('what is there already', () => {
  it('replaces damaged files of another size and leaves the others alone', async () => {
    const { dir, far, source, target } = await sshBed();
    const task = testTask(dir);
    const paths = ['repo/objects/aa/1.filez', 'repo/objects/aa/2.dirtree'];
    await target.send(source, paths, { immutable: true }, task);
    await writeFile(join(far, 'repo/objects/aa/1.filez'), '');
    expect(await target.send(source, paths, { immutable: true }, task)).toEqual({ files: 1, bytes: 3 });
    expect(await readFile(join(far, 'repo/objects/aa/1.filez'), 'utf8')).toBe('one');
    expect((await stat(join(far, 'repo/objects/aa/1.filez'))).mode & 0o777).toBe(0o644);
    await expect.poll(() => staged(far)).toEqual([]);
  });

  it('asks before it sends much, and sends nothing that is there', async () => {
    const { dir, far, source, sshd } = await sshBed();
    const proxy = await link(sshd.port, 0);
    const target = tarOverSsh(accessOf(sshd, proxy.port), far);
    const paths = await largeFiles(source, 4, 10 * MB);
    const send = () => target.send(source, paths, { immutable: true }, testTask(dir));
    expect(await send()).toEqual({ files: 4, bytes: 40 * MB });
    proxy.reset();
    expect(await send()).toEqual({ files: 0, bytes: 0 });
    expect(proxy.counts().bytesUp).toBeLessThan(20_000);
  });

  it('removes what dead senders left a day ago, and nothing younger', async () => {
    const { dir, far, source, target } = await sshBed();
    for (const [name, age] of [
      ['incoming-old', 25],
      ['incoming-young', 23],
    ] as const) {
      await mkdir(join(far, '.atomic-nightly', name), { recursive: true });
      const time = Date.now() / 1000 - age * 3600;
      await utimes(join(far, '.atomic-nightly', name), time, time);
    }
    await target.send(source, ['builds/meta.json'], { immutable: false }, testTask(dir));
    await expect.poll(() => staged(far)).toEqual(['incoming-young']);
  });
});

describe('I4: breaks', () => {
  it('goes on where a killed sender got to', async () => {
    const { dir, far, source, sshd, target } = await sshBed();
    const proxy = await link(sshd.port, 20);
    const paths = await largeFiles(source, 20, 5 * MB);
    const config = { type: 'ssh', destination: `root@127.0.0.1:${far}`, ssh: accessOf(sshd, proxy.port) };
    const script = new URL('../../support/send-once.ts', import.meta.url).pathname;
    const loader = new URL('../../../node_modules/tsx/dist/loader.mjs', import.meta.url).href;
    const args = ['--import', loader, script, JSON.stringify(config), source, JSON.stringify(paths)];
    const child = spawn(process.execPath, args, { stdio: 'ignore' });
    const ended = new Promise((settle) => child.once('exit', (_, signal) => settle(signal)));
    await until(() => existsSync(join(far, 'builds/image-0')));
    child.kill('SIGKILL');
    expect(await ended).toBe('SIGKILL');
    await until(() => staged(far).length === 0);
    for (const path of await readdir(join(far, 'builds'))) {
      expect((await stat(join(far, 'builds', path))).size).toBe(5 * MB);
    }
    const rest = await target.send(source, paths, { immutable: true }, testTask(dir));
    expect(rest.files).toBeGreaterThan(0);
    expect(rest.files).toBeLessThan(20);
    expect(Buffer.alloc(5 * MB, 20).equals(await readFile(join(far, 'builds/image-19')))).toBe(true);
  }, 60_000);

  it('starts no program between the renaming of a signature and of what it signs', async () => {
    const dir = temporaryFolder();
    const [far, bin, log] = [join(dir, 'far'), join(dir, 'bin'), join(dir, 'log')];
    for (const folder of [bin, join(far, 'repo')]) await mkdir(folder, { recursive: true });
    const pair = ['repo/summary.sig', 'repo/summary'];
    for (const path of pair) await writeFile(join(far, path), 'old ');
    for (const program of ['mv', 'sync']) {
      const real = (await run('sh', ['-c', `command -v ${program}`])).stdout.trim();
      const look = `echo "${program} $(cat ${pair.map((path) => join(far, path)).join(' ')})" >> ${log}`;
      await writeFile(join(bin, program), `#!/bin/sh\n${look}\nexec ${real} "$@"\n`, { mode: 0o755 });
    }
    const input = 'swap\np 3 repo/ref\nrefs 4 repo/summary.sig\nnew p 4 repo/summary\nnew go\n';
    await run('sh', [FAR_SH, far], { input, env: { PATH: `${bin}:${process.env['PATH']}` } });
    const seen = (await readFile(log, 'utf8')).split('\n').map((line) => line.trim());
    // The first sync is the flush, the second that of the ref.
    const before = ['sync', 'mv', 'mv', 'sync', 'mv', 'mv', 'mv'];
    expect(seen).toEqual([...before.map((program) => `${program} old old`), 'sync new new', '']);
  });

  it('leaves nothing half done when the connection is cut in the middle of a send or a swap', async () => {
    const { dir, far, source, sshd, target } = await sshBed();
    const proxy = await link(sshd.port, 20);
    const cut = tarOverSsh(accessOf(sshd, proxy.port), far);
    const [image = ''] = await largeFiles(source, 1, 10 * MB);
    const cutAfter = async (work: Promise<unknown>): Promise<void> => {
      const failed = expect(work).rejects.toMatchObject({ code: 'target-unreachable' });
      await until(() => proxy.counts().bytesUp > 2 * MB);
      proxy.cut();
      await failed;
      proxy.reset();
    };
    await cutAfter(cut.send(source, [image], { immutable: true }, testTask(dir)));
    expect(existsSync(join(far, image))).toBe(false);
    const content = Buffer.alloc(10 * MB);
    const expected = { path: 'flag', content: undefined };
    const put = [
      { path: 'first', content: bytes('x') },
      { path: 'flag', content },
    ];
    await cutAfter(cut.swap({ expect: [expected], put }, testTask(dir)));
    expect(existsSync(join(far, 'first')) || existsSync(join(far, 'flag'))).toBe(false);
    // The far side tidies up as soon as it sees its input end, and holds no lock.
    await until(() => staged(far).length === 0);
    await target.swap({ expect: [expected], put }, testTask(dir));
    expect(await cut.send(source, [image], { immutable: true }, testTask(dir))).toMatchObject({ files: 1 });
  }, 60_000);

  it('reports a full disk and shows nothing of what did not fit', async () => {
    const { dir, source, sshd } = await sshBed();
    const small = join(dir, 'small');
    await mountTmpfs(small, 'size=3m');
    const target = tarOverSsh(accessOf(sshd), small);
    const paths = await largeFiles(source, 3, 2 * MB);
    for (const immutable of [true, false]) {
      await expect(target.send(source, paths, { immutable }, testTask(dir))).rejects.toMatchObject({
        code: 'disk-full',
        message: expect.stringContaining(small),
      });
    }
    const put = [
      { path: 'a', content: bytes('a') },
      { path: 'b', content: Buffer.alloc(4 * MB) },
    ];
    await expect(target.swap({ expect: [], put }, testTask(dir))).rejects.toMatchObject({ code: 'disk-full' });
    expect(await readdir(small)).toEqual(['.atomic-nightly']);
    expect(staged(small)).toEqual([]);
  });

  it('stops when the task is aborted', async () => {
    const { dir, far, source, sshd } = await sshBed();
    const proxy = await link(sshd.port, 20);
    const paths = await largeFiles(source, 10, 5 * MB);
    const controller = new AbortController();
    const target = tarOverSsh(accessOf(sshd, proxy.port), far);
    const send = target.send(source, paths, { immutable: true }, testTask(dir, controller.signal));
    const failed = expect(send).rejects.toThrow('enough');
    await until(() => proxy.counts().bytesUp > MB);
    controller.abort(new Error('enough'));
    await failed;
  });
});

it('lets exactly one of several publishers win, each with a connection of its own', async () => {
  const { dir, far, sshd } = await sshBed();
  const attempt = (content: string) =>
    tarOverSsh(accessOf(sshd), far).swap(
      { expect: [{ path: 'flag', content: undefined }], put: [{ path: 'flag', content: bytes(content) }] },
      testTask(dir),
    );
  const names = ['a', 'b', 'c', 'd', 'e', 'f'];
  const results = await Promise.allSettled(names.map(attempt));
  const winners = names.filter((_, index) => results[index]?.status === 'fulfilled');
  expect(winners).toEqual([await readFile(join(far, 'flag'), 'utf8')]);
  for (const result of results) {
    if (result.status === 'rejected') expect(['locked', 'target-moved']).toContain(result.reason.code);
  }
});

describe('opening', () => {
  it('refuses a wrong and an unknown host key, and says how to go on', async () => {
    const { dir, far, sshd } = await sshBed();
    await writeFile(join(dir, 'empty'), '');
    for (const knownHostsFile of [sshd.wrongKnownHostsFile, join(dir, 'empty')]) {
      const target = tarOverSsh({ ...accessOf(sshd), knownHostsFile }, far);
      await expect(target.check(testTask(dir))).rejects.toMatchObject({
        code: 'target-host-key',
        hint: expect.stringContaining('known-hosts-file'),
      });
    }
    expect(existsSync(far)).toBe(false);
  });

  it('tells what is wrong with the account or the folder', async () => {
    const { dir, far, sshd } = await sshBed();
    const ssh = accessOf(sshd);
    const check = (access: typeof ssh, path: string) => tarOverSsh(access, path).check(testTask(dir));
    await expect(check({ ...ssh, identityFile: sshd.strangerFile }, far)).rejects.toMatchObject({
      code: 'target-permission',
    });
    const readOnly = await readOnlyFolder(dir);
    await expect(check(ssh, readOnly)).rejects.toMatchObject({ code: 'target-permission' });
    await expect(check(ssh, join(far, 'a/b'))).rejects.toMatchObject({ code: 'target-unreachable' });
    await expect(check({ ...ssh, port: 1 }, far)).rejects.toMatchObject({ code: 'target-unreachable' });
    await mkdir(far);
    const restricted = await startSshd(join(dir, 'restricted'), { rrsync: far });
    await expect(check(accessOf(restricted), far)).rejects.toMatchObject({
      code: 'target-permission',
      hint: expect.stringContaining('type rsync'),
    });
  });

  it.each([
    ['lines', 'echo Welcome; echo ok\n'],
    ['a line without its end', 'printf Welcome\n'],
  ])('I7: does without what a start file of the account prints: %s', async (_, prints) => {
    const { dir, target } = await bed().then(async (place) => {
      const sshd = await startSshd(join(place.dir, 'sshd'));
      await writeFile(join(place.dir, 'sshd/.bashrc'), prints);
      return { ...place, target: tarOverSsh(accessOf(sshd), place.far) };
    });
    expect(await target.read('none', testTask(dir))).toBeUndefined();
  });
});
