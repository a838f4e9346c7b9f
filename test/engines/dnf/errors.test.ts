import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, createReadStream, mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createDnfEngine } from '../../../src/engines/dnf/dnf-engine.ts';
import type { Resolution } from '../../../src/engines/engine.ts';
import type { Lockfile } from '../../../src/rpm/lockfile.ts';
import { readTreefile } from '../../../src/treefile/read.ts';
import { type MiniDistro, makeMiniDistro } from '../../support/mini-distro.ts';
import { composeMini, makePlace, type Place } from './support.ts';

let place: Place;
let distro: MiniDistro;

async function resolve(lockfile?: Lockfile): Promise<Resolution> {
  const engine = await createDnfEngine();
  const treefile = await readTreefile(distro.treefile, { basearch: 'x86_64' });
  engine.check(treefile);
  const cacheDir = join(place.dir, 'cache');
  return engine.resolve({ treefile, cacheDir, repo: place.repo, ...(lockfile ? { lockfile } : {}) }, place.task);
}

beforeEach(async () => {
  place = await makePlace();
  distro = await makeMiniDistro(join(place.dir, 'distro'));
});
afterEach(() => rmSync(place.dir, { recursive: true, force: true }));

describe('resolve', () => {
  it('locks every package with its digest, and the same hash for the same input', async () => {
    const first = await resolve();
    expect(first.lockfile.packages['app']).toEqual({
      evra: '1:2.0-1.noarch',
      digest: expect.stringMatching(/^sha256:[0-9a-f]{64}$/),
    });
    expect((await resolve()).inputHash).toBe(first.inputHash);
    const { release } = await distro.bump('lib');
    const second = await resolve();
    expect(second.inputHash).not.toBe(first.inputHash);
    expect(second.lockfile.packages['lib']?.evra).toBe(`1.0-${release}.noarch`);
    // The older set again, from a lockfile.
    expect(await resolve(first.lockfile)).toMatchObject({ inputHash: first.inputHash });
  });

  it('takes the folder of .repo files by its name, which is no pattern', async () => {
    distro = await makeMiniDistro(join(place.dir, "it's [odd] %2F*"));
    expect((await resolve()).lockfile.packages['app']?.evra).toBe('1:2.0-1.noarch');
  });

  it('lists the packages that are not there, each with its place', async () => {
    await distro.writeTreefile({ packages: ['app', 'nonesuch', 'another-one'] });
    await expect(resolve()).rejects.toMatchObject({
      code: 'package-missing',
      message: expect.stringMatching(/another-one \(.*mini\.yaml:\d+\)\n {2}nonesuch/),
    });
  });

  it('K19: names what a mirror answered, not only that all were tried', async () => {
    const server = createServer((request, response) => {
      const path = request.url ?? '';
      if (path.endsWith('.rpm')) response.writeHead(302, { location: path }).end();
      else createReadStream(join(distro.repoDir, path)).pipe(response);
    }).listen(0, '127.0.0.1');
    try {
      await once(server, 'listening');
      const { port } = server.address() as AddressInfo;
      await distro.writeRepoFile({ baseurl: `http://127.0.0.1:${port}` });
      await expect(composeMini(distro, place)).rejects.toMatchObject({
        code: 'repo-unreachable',
        message: expect.stringMatching(/^\S+\.rpm: Curl error \(47\): Number of redirects/),
      });
    } finally {
      server.close();
    }
  });

  it('lists the locked packages that are gone or have other content', async () => {
    const { lockfile } = await resolve();
    await distro.bump('app');
    await distro.remove('app', '2.0-1');
    const lib = { evra: '1.0-1.noarch', digest: `sha256:${'0'.repeat(64)}` };
    await expect(resolve({ packages: { ...lockfile.packages, lib } })).rejects.toMatchObject({
      code: 'package-missing',
      message: expect.stringMatching(/app-1:2\.0-1\.noarch\n {2}lib-1\.0-1\.noarch \(.*another checksum/),
    });
  });

  it('says which dependency nothing provides', async () => {
    await distro.bumpBroken('app');
    await expect(resolve()).rejects.toMatchObject({
      code: 'depsolve',
      message: expect.stringContaining('nothing provides nobody-provides-this needed by app-1:2.0-2.noarch'),
    });
  });

  it('honours exclude-packages', async () => {
    await distro.writeTreefile({ packages: ['filesystem', 'app'], 'exclude-packages': ['lib'] });
    await expect(resolve()).rejects.toMatchObject({ code: 'depsolve', message: expect.stringContaining('lib') });
  });

  it('says that a repository cannot be reached', async () => {
    await distro.writeRepoFile({ baseurl: 'file:///nonexistent/repo' });
    await expect(resolve()).rejects.toMatchObject({
      code: 'repo-unreachable',
      message: expect.stringContaining('mini'),
    });
  });

  it('refuses keys it cannot honour before any work, naming the place', async () => {
    await distro.writeTreefile({ ima: true, rpmdb: 'bdb' });
    await expect(resolve()).rejects.toMatchObject({
      code: 'unsupported',
      message: expect.stringMatching(/ima \(.*:\d+/),
    });
    await distro.writeTreefile({ rpmdb: 'bdb' });
    await expect(resolve()).rejects.toMatchObject({
      code: 'unsupported',
      message: expect.stringContaining('rpmdb: bdb'),
    });
  });
});

describe('compose', () => {
  it('refuses unsigned packages of a repository with gpgcheck=1, naming each (I2)', async () => {
    const signed = await makeMiniDistro(join(place.dir, 'signed'), { signed: true });
    await signed.bumpUnsigned('app');
    await expect(composeMini(signed, place)).rejects.toMatchObject({
      code: 'package-unsigned',
      message: expect.stringContaining('app-1:2.0-2.noarch from mini: it is not signed'),
    });
    await signed.writeRepoFile({ gpgcheck: false });
    await expect(composeMini(signed, place)).resolves.toMatchObject({ initramfs: 'built' });
  });

  it('refuses an RPM whose content is not what the lockfile names', async () => {
    await resolve();
    appendFileSync(join(distro.repoDir, 'app-2.0-1.noarch.rpm'), 'x');
    await expect(composeMini(distro, place)).rejects.toMatchObject({
      code: 'verify',
      message: expect.stringContaining('app-1:2.0-1.noarch'),
    });
  });

  it('I7: names all that a repository of this machine lists and has not, or has as something else', async () => {
    const fileOf = (name: string) => join(distro.repoDir, `${name}.noarch.rpm`);
    const [app, lib, svc] = [fileOf('app-2.0-1'), fileOf('lib-1.0-1'), fileOf('svc-1.0-1')] as const;
    for (const path of [app, lib, svc]) rmSync(path);
    mkdirSync(app);
    symlinkSync('/nonexistent/lib.rpm', lib);
    execFileSync('mkfifo', [svc]);
    await expect(composeMini(distro, place)).rejects.toMatchObject({
      code: 'repo-unreachable',
      message: expect.stringMatching(
        /app-1:2\.0-1\.noarch: \S+app-2\.0-1\.noarch\.rpm is no file\n(?:.*\n)*? {2}lib-1\.0-1\.noarch: \S+ is not there\n(?:.*\n)*? {2}svc-1\.0-1\.noarch: \S+ is no file/,
      ),
    });
  });

  it('names the package whose script fails', async () => {
    await distro.bump('svc', { pre: 'exit 1' });
    await expect(composeMini(distro, place)).rejects.toMatchObject({
      code: 'compose',
      message: expect.stringContaining('%pre of svc-1.0-2.noarch'),
    });
  });

  it('refuses an id that changed', async () => {
    await distro.writeTreefile({ 'check-passwd': { type: 'data', entries: { svc: [991, 990], ghost: 5 } } });
    await expect(composeMini(distro, place)).rejects.toMatchObject({
      code: 'compose',
      message: expect.stringMatching(/user ghost is gone\n {2}user svc has id 990, it was 991/),
    });
  });

  it('keeps ids of the night before, and does without the parent’s files', async () => {
    const first = await composeMini(distro, place);
    // A package that would now make its user with another id finds it there.
    await distro.bump('svc', {
      pre: 'grep -q ^svc: /etc/passwd || echo svc:x:555:555:svc:/:/sbin/nologin >> /etc/passwd\ngrep -q ^svc: /etc/group || echo svc:x:555: >> /etc/group',
    });
    await expect(composeMini(distro, place, { parent: first.commit })).resolves.toMatchObject({ kernel: '6.0.0-1' });
    rmSync(join(place.dir, 'cache/users.json'));
    await expect(composeMini(distro, place, { parent: 'c'.repeat(64) })).rejects.toMatchObject({ code: 'compose' });
  });

  it('refuses a tree to be labelled that has no SELinux policy', async () => {
    await distro.writeTreefile({ selinux: true });
    await expect(composeMini(distro, place)).rejects.toMatchObject({
      code: 'compose',
      message: expect.stringContaining('SELinux'),
    });
  });

  it('says which script of the treefile failed', async () => {
    await distro.writeTreefile({ postprocess: ['#!/bin/sh\ntrue\n', '#!/bin/sh\necho went wrong >&2\nexit 3\n'] });
    await expect(composeMini(distro, place)).rejects.toMatchObject({
      code: 'compose',
      message: expect.stringMatching(/postprocess-2 failed.*went wrong/s),
    });
  });
});
