import { existsSync } from 'node:fs';
import { cp, mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { freePort } from '../../src/base/free-port.ts';
import { seedFrom } from '../../src/ostree/seed-repo.ts';
import { run } from '../../src/programs/exec.ts';
import { serveFolder } from '../support/nginx.ts';
import { commitTestTree, makeRepo, TEST_REF } from '../support/ostree-repo.ts';
import { temporaryFolder, testTask } from '../support/tmp.ts';

async function published(args: readonly string[] = []) {
  const dir = temporaryFolder();
  await mkdir(join(dir, 'far'));
  const far = await makeRepo(join(dir, 'far'));
  const commit = await commitTestTree({ repo: far, tree: { 'a/b': '1' }, version: '20260101_01', args });
  await run('ostree', [`--repo=${far}`, 'refs', `--create=${TEST_REF}`, commit]);
  await run('ostree', [`--repo=${far}`, 'summary', '-u']);
  const server = await serveFolder({ root: join(dir, 'far') });
  onTestFinished(() => server.stop());
  const request = { url: `${server.url}/repo`, ref: TEST_REF, repo: join(dir, 'near'), gpgKeys: [] as string[] };
  return { dir, far, commit, request, task: testTask(dir) };
}

it('pulls the commit and no content but users and groups, and that once', async () => {
  const { request, commit, task } = await published();
  expect(await seedFrom(request, task)).toMatchObject({ checksum: commit, version: '20260101_01' });
  const { stdout } = await run('find', [join(request.repo, 'objects'), '-name', '*.filez']);
  expect(stdout).toBe('');
  await run('ostree', [`--repo=${request.repo}`, 'fsck']);
  const pulls = async () =>
    (await readFile(task.logFile, 'utf8')).split('\n').filter((line) => /^\$ .*\bpull\b/.test(line));
  expect(await pulls()).toHaveLength(1);
  expect(await seedFrom(request, task)).toMatchObject({ checksum: commit });
  expect(await pulls()).toHaveLength(1);
});

it('seeds from a file URL', async () => {
  const { request, far, commit, task } = await published();
  expect(await seedFrom({ ...request, url: `file://${far}` }, task)).toMatchObject({ checksum: commit });
  expect(await seedFrom({ ...request, url: `file://${far}/nothing` }, task)).toBeUndefined();
});

it.each(['config', 'objects', 'ref'])(
  'K7: a FIFO in a repository of this host is refused with its path: %s',
  async (where) => {
    const { request, far, commit, task } = await published();
    const object = join(far, 'objects', commit.slice(0, 2), `${commit.slice(2)}.commit`);
    const path =
      where === 'config' ? join(far, 'config') : where === 'ref' ? join(far, 'refs/heads', TEST_REF) : object;
    await run('rm', [path]);
    await run('mkfifo', [path]);
    await expect(seedFrom({ ...request, url: `file://${far}` }, task)).rejects.toMatchObject({
      code: 'seed',
      message: expect.stringContaining(path),
    });
  },
);

it('tells an absent ref and an absent repository from a server that does not answer', async () => {
  const { request, task } = await published();
  expect(await seedFrom({ ...request, ref: 'no/such' }, task)).toBeUndefined();
  expect(await seedFrom({ ...request, url: `${request.url}/elsewhere` }, task)).toBeUndefined();
  const dead = `http://127.0.0.1:${await freePort()}/repo`;
  await expect(seedFrom({ ...request, url: dead }, task)).rejects.toMatchObject({
    code: 'seed',
    message: expect.stringContaining('ECONNREFUSED'),
  });
});

it('I2: takes a commit signed by the key, refuses an unsigned one and one of another key', async () => {
  const keys = temporaryFolder();
  const makeKey = async (name: string): Promise<{ home: string; file: string }> => {
    const home = join(keys, name);
    await mkdir(home, { mode: 0o700 });
    const gpg = ['--homedir', home, '--batch', '--pinentry-mode', 'loopback', '--passphrase', ''];
    await run('gpg', [...gpg, '--quick-generate-key', `${name} <${name}@example.org>`, 'rsa2048', 'sign', 'never']);
    await run('gpg', [...gpg, '--armor', '--output', join(home, 'key.asc'), '--export']);
    onTestFinished(async () => {
      await run('gpgconf', ['--homedir', home, '--kill', 'all']);
    });
    return { home, file: join(home, 'key.asc') };
  };
  const [ours, others] = [await makeKey('ours'), await makeKey('others')];
  const sign = [`--gpg-homedir=${ours.home}`, '--gpg-sign=ours@example.org'];
  const signed = await published(sign);
  expect(await seedFrom({ ...signed.request, gpgKeys: [ours.file] }, signed.task)).toMatchObject({
    checksum: signed.commit,
  });
  const stranger = { ...signed.request, repo: join(signed.dir, 'near2'), gpgKeys: [others.file] };
  await expect(seedFrom(stranger, signed.task)).rejects.toMatchObject({ code: 'seed' });
  const unsigned = await published();
  await expect(seedFrom({ ...unsigned.request, gpgKeys: [ours.file] }, unsigned.task)).rejects.toMatchObject({
    code: 'seed',
  });
});

it('refuses a damaged commit', async () => {
  const { request, far, commit, task } = await published();
  const path = join(far, 'objects', commit.slice(0, 2), `${commit.slice(2)}.commit`);
  await cp(join(far, 'config'), path);
  await expect(seedFrom(request, task)).rejects.toMatchObject({ code: 'seed' });
  expect(existsSync(join(request.repo, 'objects', commit.slice(0, 2), `${commit.slice(2)}.commit`))).toBe(false);
});
