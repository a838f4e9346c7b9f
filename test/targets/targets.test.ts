import { existsSync, watch } from 'node:fs';
import { chmod, mkdir, readdir, readFile, stat, symlink, truncate, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { NightlyError } from '../../src/base/errors.ts';
import { filesBelow } from '../../src/base/files.ts';
import { MOST_READ_BYTES } from '../../src/base/read-limit.ts';
import type { RsyncTargetConfig } from '../../src/config/config.ts';
import { run } from '../../src/programs/exec.ts';
import { openTarget } from '../../src/targets/open-target.ts';
import type { Target, TargetFile } from '../../src/targets/target.ts';
import { mountTmpfs, readOnlyFolder } from '../support/mounts.ts';
import { sharedRadosgw, whyNoRadosgw } from '../support/radosgw.ts';
import { startRsyncd } from '../support/rsyncd.ts';
import { makeBucket } from '../support/s3-bucket.ts';
import { sentLog } from '../support/sent-log.ts';
import { startSshd } from '../support/sshd.ts';
import {
  accessOf,
  type Bed,
  bed,
  daemonBed,
  directoryBed,
  rrsyncBed,
  rsyncOverSsh,
  sshBed,
  URL,
} from '../support/target-beds.ts';
import { testTask } from '../support/tmp.ts';
import { lockLifePasses } from '../support/watched-lock.ts';

const bytes = (text: string): Uint8Array => Buffer.from(text);

const OBJECTS = ['repo/objects/aa/1.filez', 'repo/objects/aa/2.dirtree'];

const byPath = (a: TargetFile, b: TargetFile): number => (a.path < b.path ? -1 : 1);

async function listed(target: Target, folder: string, dir: string): Promise<TargetFile[]> {
  const files: TargetFile[] = [];
  for await (const file of target.list(folder, testTask(dir))) files.push(file);
  return files.sort(byPath);
}

async function s3Bed(): Promise<Bed> {
  const { dir, source } = await bed();
  const { config, look } = await makeBucket(await sharedRadosgw());
  return { dir, source, target: openTarget(config), look: async (path) => (await look(path)).content };
}

describe.each<[string, () => Promise<Bed>]>([
  ['directory', directoryBed],
  ['rsync over ssh, account restricted to rrsync', rrsyncBed],
  ['rsync daemon', daemonBed],
  ['ssh', sshBed],
  ...(whyNoRadosgw() === undefined ? [['S3', s3Bed] as [string, () => Promise<Bed>]] : []),
])('%s', (_, open) => {
  it('reads, sends and swaps', async () => {
    const { dir, far, source, target, look } = await open();
    const task = testTask(dir);
    await target.check(task);
    expect(await target.read('repo/summary', task)).toBeUndefined();

    const once = { immutable: true, sent: sentLog() };
    expect(await target.send(source, OBJECTS, once, task)).toEqual({ files: 2, bytes: 7 });
    expect(await target.send(source, OBJECTS, once, task)).toEqual({ files: 0, bytes: 0 });
    expect(await look('repo/objects/aa/2.dirtree')).toBe('two!');
    for (const path of far === undefined ? [] : ['repo', 'repo/objects', 'repo/objects/aa']) {
      expect((await stat(join(far ?? '', path))).mode & 0o777).toBe(0o755);
    }

    await target.send(source, ['builds/meta.json'], { immutable: false }, task);
    await writeFile(join(source, 'builds/meta.json'), '[]');
    await target.send(source, ['builds/meta.json'], { immutable: false }, task);
    expect(await look('builds/meta.json')).toBe('[]');

    const ref = 'repo/refs/heads/x/y';
    await target.swap(
      {
        expect: [{ path: ref, content: undefined }],
        put: [
          { path: ref, content: bytes('first\n') },
          { path: 'repo/summary', content: bytes('summary') },
        ],
      },
      task,
    );
    expect(await target.readMany([ref, 'repo/none', 'repo/summary'], task)).toEqual([
      bytes('first\n'),
      undefined,
      bytes('summary'),
    ]);
    if (far !== undefined) expect((await stat(join(far, ref))).mode & 0o777).toBe(0o644);

    const late = { expect: [{ path: ref, content: undefined }], put: [{ path: ref, content: bytes('late\n') }] };
    await expect(target.swap(late, task)).rejects.toMatchObject({ code: 'target-moved' });
    // Same size, same second: it must still be sent.
    const next = {
      expect: [{ path: ref, content: bytes('first\n') }],
      put: [{ path: ref, content: bytes('secnd\n') }],
    };
    await target.swap(next, task);
    expect(await look(ref)).toBe('secnd\n');
  });

  it('K18: a file that is larger than any record is named, and not read into memory', async () => {
    const { dir, far, target } = await open();
    if (far === undefined) return;
    await mkdir(join(far, 'builds'), { recursive: true });
    await writeFile(join(far, 'builds/most'), '');
    await truncate(join(far, 'builds/most'), MOST_READ_BYTES + 1);
    const fault = {
      code: 'target-unreachable',
      message: expect.stringMatching(/more than 134\.2 MB of data where a file should be: .*builds\/most$/),
    };
    await expect(target.readMany(['builds/none', 'builds/most'], testTask(dir))).rejects.toMatchObject(fault);
    await expect(target.readWithLinks(['builds/most'], 'repo', testTask(dir))).rejects.toMatchObject(fault);
  });

  it('lists what is below a folder, and removes what it is told', async () => {
    const { dir, source, target, look } = await open();
    const task = testTask(dir);
    const names = ['a', 'with blank', '#hash', '-dash', 'é'];
    const paths = names.map((name) => `builds/${name}/image ${name}`);
    for (const path of paths) {
      await mkdir(join(source, path, '..'), { recursive: true });
      await writeFile(join(source, path), path);
    }
    expect(await listed(target, 'builds', dir)).toEqual([]);
    await target.send(source, [...paths, ...OBJECTS], { immutable: true }, task);
    const sizes = paths.map((path) => ({ path, bytes: Buffer.byteLength(path) }));
    expect(await listed(target, 'builds', dir)).toEqual(sizes.toSorted(byPath));
    expect(await listed(target, 'repo/objects', dir)).toEqual([
      { path: OBJECTS[0], bytes: 3 },
      { path: OBJECTS[1], bytes: 4 },
    ]);
    const [kept = '', ...gone] = paths;
    await target.remove([...gone, 'builds/a/none', 'none/none'], task);
    expect((await listed(target, 'builds', dir)).map(({ path }) => path)).toEqual([kept]);
    expect(await look(OBJECTS[0] ?? '')).toBe('one');
    expect(await listed(target, 'none', dir)).toEqual([]);
  });

  it('lets one of two publishers with the same expectation win', async () => {
    const { dir, target, look } = await open();
    const task = testTask(dir);
    await target.check(task);
    const attempt = (content: string) =>
      target.swap(
        { expect: [{ path: 'flag', content: undefined }], put: [{ path: 'flag', content: bytes(content) }] },
        task,
      );
    const results = await Promise.allSettled([attempt('a'), attempt('b')]);
    const lost = results.flatMap((result) => (result.status === 'rejected' ? [result.reason.code] : []));
    expect(lost).toHaveLength(1);
    expect(['locked', 'target-moved']).toContain(lost[0]);
    expect(['a', 'b']).toContain(await look('flag'));
    await expect(attempt('c')).rejects.toMatchObject({ code: 'target-moved' });
  });

  it('makes what is sealed under the lock alone, and only when the expectations hold', async () => {
    const { dir, target, look } = await open();
    const task = testTask(dir);
    await target.check(task);
    const made: string[] = [];
    const attempt = (
      content: string,
      before?: string,
      seal = async () => [{ path: 'log/head', content: bytes(content) }],
    ) =>
      target.swap(
        {
          expect: [{ path: 'log/head', content: before === undefined ? undefined : bytes(before) }],
          ahead: ['1', '2'].map((name) => ({ path: `log/tile/${name}`, content: bytes(content) })),
          put: [],
          async seal() {
            made.push(content);
            return seal();
          },
        },
        task,
      );
    const results = await Promise.allSettled([attempt('aa'), attempt('bb')]);
    expect(results.filter(({ status }) => status === 'rejected')).toHaveLength(1);
    expect(made).toHaveLength(1);
    const [first = ''] = made;
    expect([await look('log/head'), await look('log/tile/2')]).toEqual([first, first]);
    await expect(attempt('cc', 'xx')).rejects.toMatchObject({ code: 'target-moved' });
    expect(made).toEqual([first]);
    // Of equal size, and over what an attempt left that did not come to its end.
    const refused = async () => {
      throw new NightlyError('signing', 'no key');
    };
    await expect(attempt('dd', first, refused)).rejects.toMatchObject({ code: 'signing' });
    await attempt('ee', first);
    expect([await look('log/head'), await look('log/tile/1')]).toEqual(['ee', 'ee']);
  });
});

it.each([
  ['directory', directoryBed],
  ['ssh', sshBed],
])('%s: a link to a file is listed as one, as of `ostree refs --alias`; names lead nowhere else', async (_, open) => {
  const { dir, far, target } = await open();
  await mkdir(join(far, 'repo/refs/heads'), { recursive: true });
  await writeFile(join(far, 'repo/refs/heads/night ly'), 'a commit\n');
  for (const [name, to] of [
    ['alias', 'night ly'],
    ['dangling', 'nowhere'],
    ['circle', 'circle'],
    ['folder', '/etc'],
  ] as const) {
    await symlink(to, join(far, 'repo/refs/heads', name));
  }
  const ours = (await listed(target, 'repo', dir)).filter(({ path }) => path.startsWith('repo/refs'));
  expect(ours).toEqual([
    { path: 'repo/refs/heads/alias', bytes: 9 },
    { path: 'repo/refs/heads/night ly', bytes: 9 },
  ]);
  for (const path of ['../x', 'repo/../../x', '/etc/x', 'repo//x', './x', '', 'x\0']) {
    const outside = { code: 'unsupported' };
    await expect(target.remove(['repo/none', path], testTask(dir)), path).rejects.toMatchObject(outside);
    await expect(target.read(path, testTask(dir)), path).rejects.toMatchObject(outside);
    await expect(listed(target, `repo/${path}`, dir), path).rejects.toMatchObject(outside);
  }
});

describe.each([
  ['directory', directoryBed],
  ['ssh', sshBed],
])('the lock file (%s)', (_, open) => {
  it('I15: can be read, and so locked, by its owner and group alone from the first look on, also one that is there', async () => {
    const { dir, far, target } = await open();
    const lock = join(far, '.atomic-nightly.lock');
    const rights = async () => (await stat(lock)).mode & 0o007;
    await mkdir(far, { recursive: true });
    await target.check(testTask(dir));
    expect(await rights()).toBe(0);
    await chmod(lock, 0o644);
    await target.swap({ expect: [], put: [{ path: 'x', content: bytes('x') }] }, testTask(dir));
    expect(await rights()).toBe(0);
  });
});

describe('directory', () => {
  it('never links what may be written again, and links objects', async () => {
    const { dir, far, source, target } = await directoryBed();
    await target.send(source, [...OBJECTS, 'builds/meta.json'], { immutable: true }, testTask(dir));
    expect((await stat(join(far, 'repo/objects/aa/1.filez'))).nlink).toBe(2);
    expect((await stat(join(far, 'builds/meta.json'))).nlink).toBe(1);
  });

  it('is world-readable under a strict umask, also for private sources', async () => {
    const { dir, far, source, target } = await directoryBed();
    await chmod(join(source, 'repo/objects/aa/1.filez'), 0o600);
    const before = process.umask(0o077);
    try {
      await target.send(source, OBJECTS, { immutable: true }, testTask(dir));
      await target.swap({ expect: [], put: [{ path: 'repo/refs/heads/x', content: bytes('x') }] }, testTask(dir));
    } finally {
      process.umask(before);
    }
    for (const path of ['repo/objects/aa/1.filez', 'repo/refs/heads/x']) {
      expect((await stat(join(far, path))).mode & 0o777).toBe(0o644);
    }
    expect((await stat(join(far, 'repo/refs/heads'))).mode & 0o777).toBe(0o755);
  });

  it('replaces a damaged object of another size', async () => {
    const { dir, far, source, target } = await directoryBed();
    await mkdir(join(far, 'repo/objects/aa'), { recursive: true });
    await writeFile(join(far, 'repo/objects/aa/1.filez'), '');
    expect(await target.send(source, OBJECTS, { immutable: true }, testTask(dir))).toEqual({ files: 2, bytes: 7 });
  });

  it.each([
    ['a FIFO', 'a FIFO or a device', 'mkfifo'],
    ['a folder', 'a folder', 'mkdir'],
  ])('K7: names %s in the place of a file, and does not wait for it', async (_, what, make) => {
    const { dir, far, target } = await directoryBed();
    const path = join(far, 'builds.json');
    await mkdir(far, { recursive: true });
    await run(make, [path]);
    const fault = {
      code: 'target-unreachable',
      message: `Target "dir" has ${what} where a file should be: ${path}`,
    };
    await expect(target.read('builds.json', testTask(dir))).rejects.toMatchObject(fault);
    await expect(target.readMany(['builds.json'], testTask(dir))).rejects.toMatchObject(fault);
    await expect(target.readWithLinks(['builds.json'], 'repo', testTask(dir))).rejects.toMatchObject(fault);
  });

  it('says when the path is not a folder or cannot be written', async () => {
    const { dir } = await bed();
    await writeFile(join(dir, 'file'), '');
    const target = openTarget({ type: 'directory', name: 'dir', path: join(dir, 'file'), url: URL });
    await expect(target.check(testTask(dir))).rejects.toMatchObject({ code: 'target-unreachable' });
    const denied = openTarget({ type: 'directory', name: 'dir', path: await readOnlyFolder(dir), url: URL });
    await expect(denied.check(testTask(dir))).rejects.toMatchObject({ code: 'target-permission' });
    await expect(denied.swap({ expect: [], put: [] }, testTask(dir))).rejects.toMatchObject({
      code: 'target-permission',
    });
  });

  it('reports a full disk', async () => {
    const { dir } = await bed();
    const small = join(dir, 'small');
    await mountTmpfs(small, 'size=64k');
    const source = join(dir, 'near');
    await mkdir(source, { recursive: true });
    await writeFile(join(source, 'image'), Buffer.alloc(200_000));
    const target = openTarget({ type: 'directory', name: 'dir', path: small, url: URL });
    const send = target.send(source, ['image'], { immutable: true }, testTask(dir));
    await expect(send).rejects.toMatchObject({ code: 'disk-full', message: expect.stringContaining(small) });
    expect(await filesBelow(small)).toEqual([]);

    const daemon = await startRsyncd(join(dir, 'rsyncd'), small);
    const { destination, passwordFile } = daemon;
    const far = openTarget({ type: 'rsync', name: 'far', destination, ssh: {}, passwordFile, url: URL });
    await expect(far.send(source, ['image'], { immutable: true }, testTask(dir))).rejects.toMatchObject({
      code: 'disk-full',
      message: expect.stringContaining(destination),
    });
    expect(await filesBelow(small)).toEqual([]);
  });
});

describe('rsync', () => {
  it('refuses a wrong and an unknown host key, and says how to go on', async () => {
    const { dir, far } = await bed();
    await mkdir(far);
    const sshd = await startSshd(join(dir, 'sshd'));
    await writeFile(join(dir, 'empty'), '');
    for (const knownHostsFile of [sshd.wrongKnownHostsFile, join(dir, 'empty')]) {
      const ssh = { port: sshd.port, identityFile: sshd.identityFile, knownHostsFile };
      const target = openTarget({ type: 'rsync', name: 'far', destination: `root@127.0.0.1:${far}`, ssh, url: URL });
      await expect(target.check(testTask(dir))).rejects.toMatchObject({
        code: 'target-host-key',
        hint: expect.stringContaining('known-hosts-file'),
      });
    }
    expect(existsSync(join(far, '.atomic-nightly.check'))).toBe(false);
    expect(await readFile(join(dir, 'empty'), 'utf8')).toBe('');
  });

  it('tells missing permission from a target that is not there', async () => {
    const { dir, far } = await bed();
    await mkdir(far);
    const sshd = await startSshd(join(dir, 'sshd'));
    const { port, identityFile, knownHostsFile } = sshd;
    const open = (destination: string, ssh: RsyncTargetConfig['ssh']) =>
      openTarget({ type: 'rsync', name: 'far', destination, ssh, url: URL }).check(testTask(dir));
    const stranger = open(`root@127.0.0.1:${far}`, { port, knownHostsFile, identityFile: sshd.strangerFile });
    await expect(stranger).rejects.toMatchObject({ code: 'target-permission' });
    const readOnly = open(`root@127.0.0.1:${await readOnlyFolder(dir)}`, { port, knownHostsFile, identityFile });
    await expect(readOnly).rejects.toMatchObject({ code: 'target-permission' });
    const missing = open(`root@127.0.0.1:${far}/a/b`, { port, knownHostsFile, identityFile });
    await expect(missing).rejects.toMatchObject({ code: 'target-unreachable' });
    const nobody = open(`root@127.0.0.1:${far}`, { port: 1, knownHostsFile, identityFile });
    await expect(nobody).rejects.toMatchObject({ code: 'target-unreachable' });
  });

  it('I11: tells a wrong password and a read-only module, without showing the password', async () => {
    const { dir, far } = await bed();
    const daemon = await startRsyncd(join(dir, 'rsyncd'), far);
    const open = (destination: string, passwordFile: string) =>
      openTarget({ type: 'rsync', name: 'far', destination, ssh: {}, passwordFile, url: URL });
    const task = testTask(dir);
    await expect(open(daemon.destination, daemon.wrongPasswordFile).check(task)).rejects.toMatchObject({
      code: 'target-permission',
    });
    await expect(open(`${daemon.destination}x`, daemon.passwordFile).check(task)).rejects.toMatchObject({
      code: 'target-unreachable',
    });
    await open(daemon.destination, daemon.passwordFile).check(task);
    const closed = await startRsyncd(join(dir, 'rsyncd2'), far, 'read only = yes');
    await expect(open(closed.destination, closed.passwordFile).check(task)).rejects.toMatchObject({
      code: 'target-permission',
    });
    const log = await readFile(task.logFile, 'utf8');
    expect(log).not.toMatch(/pa55word|guess/);
  });

  it('I4: takes over the lock of a dead process of this machine, waits out a living one', async () => {
    const { dir, far, target } = await daemonBed();
    const task = testTask(dir);
    const boot = (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
    const lock = { token: 't', host: hostname(), boot, pid: process.pid, until: Date.now() + 60_000 };
    const write = (content: object) => writeFile(join(far, '.atomic-nightly.lock'), JSON.stringify(content));
    const swap = () => target.swap({ expect: [], put: [{ path: 'flag', content: bytes('x') }] }, task);
    await write(lock);
    await expect(swap()).rejects.toMatchObject({
      code: 'locked',
      message: expect.stringContaining(String(process.pid)),
    });
    await write({ ...lock, host: 'another.example.org', pid: 2 ** 22 + 1 });
    await expect(swap()).rejects.toMatchObject({ code: 'locked' });
    await write({ ...lock, pid: 2 ** 22 + 1 });
    await swap();
    // What another machine's clock says is not a proof: its lock is watched for as long as one lives.
    const elsewhere = { ...lock, host: 'another.example.org', pid: 2 ** 22 + 1 };
    for (const until of [Date.now() - 1, Date.now() - 400 * 86_400_000, Date.now() + 400 * 86_400_000]) {
      await write({ ...elsewhere, until });
      const watching = testTask(dir);
      const taken = target.swap({ expect: [], put: [{ path: 'flag', content: bytes('y') }] }, watching);
      await expect
        .poll(() => watching.lines.join(), { timeout: 60_000 })
        .toMatch(/another\.example\.org left the lock .*watching it/);
      // Its holder lives: what it writes tells.
      await write({ ...elsewhere, token: 'u', until });
      await expect(taken).rejects.toMatchObject({ code: 'locked' });
    }
    await write({ ...elsewhere, until: Date.now() - 1 });
    await target.swap({ expect: [], put: [{ path: 'flag', content: bytes('z') }] }, lockLifePasses(task));
    expect(await readFile(join(far, 'flag'), 'utf8')).toBe('z');
  });

  it('says how to allow deletions where they are not', async () => {
    const place = await bed();
    await mkdir(place.far);
    const sshd = await startSshd(join(place.dir, 'sshd'), { rrsync: `-no-del ${place.far}` });
    const daemon = await startRsyncd(join(place.dir, 'rsyncd'), place.far, 'refuse options = delete');
    const { destination, passwordFile } = daemon;
    const task = testTask(place.dir);
    for (const [target, hint] of [
      [rsyncOverSsh(accessOf(sshd), 'root@127.0.0.1:/'), 'without -no-del'],
      [rsyncOverSsh({}, destination, { passwordFile }), 'refuse options'],
    ] as const) {
      await target.send(place.source, OBJECTS, { immutable: true }, task);
      await expect(target.remove(OBJECTS, task)).rejects.toMatchObject({
        code: 'target-permission',
        hint: expect.stringContaining(hint),
      });
    }
  });

  it('keeps to a bandwidth limit', async () => {
    const place = await bed();
    const { destination, passwordFile } = await startRsyncd(join(place.dir, 'rsyncd'), place.far);
    await writeFile(join(place.source, 'image'), Buffer.alloc(2_000_000));
    const seconds = async (limit: string): Promise<number> => {
      const target = rsyncOverSsh({}, destination, { passwordFile, bandwidthLimit: limit });
      const begun = performance.now();
      await target.send(place.source, ['image'], { immutable: false }, testTask(place.dir));
      return (performance.now() - begun) / 1000;
    };
    expect(await seconds('1M')).toBeGreaterThan(1);
  });

  it.each([
    ['a FIFO, an account restricted to rrsync', 'no regular file', 'mkfifo', rrsyncBed],
    ['a FIFO, a daemon', 'no regular file', 'mkfifo', daemonBed],
    ['a folder, an account restricted to rrsync', 'a folder', 'mkdir', rrsyncBed],
    ['a folder, a daemon', 'a folder', 'mkdir', daemonBed],
    ['a link, an account restricted to rrsync', /a link|no regular file/, 'link', rrsyncBed],
    ['a link, a daemon', /a link|no regular file/, 'link', daemonBed],
  ])('I7: names %s, in the place of a record, and does not take it for absent', async (_, what, make, open) => {
    const { dir, far = '', target } = await open();
    const wanted = 'builds/bä 1.json';
    const path = join(far, wanted);
    await mkdir(dirname(path), { recursive: true });
    await (make === 'link' ? symlink('other.json', path) : run(make, [path]));
    const fault = {
      code: 'target-unreachable',
      message: expect.stringMatching(what),
    };
    const reading = target.readMany(['builds/none.json', wanted], testTask(dir));
    await expect(reading).rejects.toMatchObject(fault);
    await expect(reading).rejects.toThrow(wanted);
    const withLinks = target.readWithLinks([wanted], 'repo', testTask(dir));
    await expect(withLinks).rejects.toMatchObject(fault);
    await expect(withLinks).rejects.toThrow(wanted);
  });

  it('frees its lock when the work is refused', async () => {
    const { dir, far, target } = await daemonBed();
    const swap = { expect: [{ path: 'none', content: bytes('x') }], put: [] };
    await expect(target.swap(swap, testTask(dir))).rejects.toMatchObject({ code: 'target-moved' });
    expect(JSON.parse(await readFile(join(far, '.atomic-nightly.lock'), 'utf8'))).toMatchObject({ until: 0 });
  });

  it('leaves a large file of the same content alone, and sends it when it differs', async () => {
    const { dir, source, target } = await daemonBed();
    const task = testTask(dir);
    const send = () => target.send(source, ['builds/meta.json'], { immutable: false }, task);
    expect((await send()).files).toBe(1);
    await utimes(join(source, 'builds/meta.json'), 1, 1);
    expect((await send()).files).toBe(0);
    await writeFile(join(source, 'builds/meta.json'), '[]');
    expect((await send()).files).toBe(1);
  });
});

it('directory: what a kill may leave of a file is where neither ostree nor a web server looks, and goes after a day', async () => {
  const { dir, far, target } = await directoryBed();
  const task = testTask(dir);
  for (const path of ['repo/refs/heads/x', 'builds/builds.json']) {
    await target.swap({ expect: [], put: [{ path, content: bytes('first\n') }] }, task);
    const seen: (string | null)[] = [];
    const watcher = watch(join(far, dirname(path)), (_, name) => seen.push(name));
    await target.swap({ expect: [], put: [{ path, content: bytes('secnd\n') }] }, task);
    await expect.poll(() => seen.length).toBeGreaterThan(0);
    watcher.close();
    expect(new Set(seen)).toEqual(new Set([basename(path)]));
  }
  const aside = join(far, '.atomic-nightly');
  expect((await stat(aside)).mode & 0o777).toBe(0o700);
  for (const name of ['old', 'young']) await writeFile(join(aside, name), '');
  await utimes(join(aside, 'old'), 1, 1);
  await target.check(task);
  expect(await readdir(aside)).toEqual(['young']);
});
