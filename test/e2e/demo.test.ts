import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { freePort } from '../../src/base/free-port.ts';
import { readCommit } from '../../src/ostree/objects.ts';
import { run } from '../../src/programs/exec.ts';
import { serveFolder } from '../support/nginx.ts';
import { type CliResult, runCli } from '../support/world.ts';

// The whole story on real packages, told once; the tests look at it from different sides. E2E_BOOT names the image types
// to boot where there is no time for all of them, or "none".
const types = ['generic-cloud', 'vagrant-libvirt', 'vagrant-virtualbox', 'iso'];
const wanted = process.env['E2E_BOOT'];
// The first build has the GenericCloud image; the second has one if it is to be booted.
const boot = wanted === 'none' ? [] : (wanted?.split(',') ?? types);
let dir: string;
let port: number;
let demo: CliResult;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'atomic-nightly-e2e-'));
  port = await freePort();
  const ports = ['--port', String(port), '--live-port', String(await freePort())];
  demo = await runCli(dir, ['lab', 'demo', '.', ...ports, '--boot', boot.join(',') || 'none']);
});
afterAll(async () => {
  await rm(dir, { recursive: true, force: true });
});

interface Compose {
  readonly initramfs: string;
}

const cli = (...args: readonly string[]): Promise<CliResult> => runCli(dir, args);

async function builds(): Promise<Record<string, unknown>[]> {
  return JSON.parse((await cli('list', '--json')).stdout).toReversed();
}

test('the demo goes through: two nights, images, a host upgraded and rolled back unless nothing is to be booted, a third night unchanged', () => {
  expect(demo.stderr).not.toContain('✗');
  expect(demo.code).toBe(0);
  const stages = ['upgrade', 'check the new version', 'rollback', 'check the old version'];
  for (const stage of boot.length > 0 ? stages : []) expect(demo.stderr).toMatch(new RegExp(`boot: ${stage}: \\d+`));
  if (boot.length > 0) expect(demo.stderr).toMatch(/boot: systemctl is-system-running: running, on \d{8}_\d\d/);
  expect(demo.stdout).toMatch(/Unchanged: .*\nexit code 10 after /);
});

test('I17: an anonymous client checks an image and the commit with sh and openssl; a changed byte is named by that and by the audit', () => {
  const origin = 'lab.example/atomic-host/log';
  expect(demo.stdout).toMatch(
    new RegExp(`\nok: images/\\S+\\.(?:qcow2|box) of build \\d{8}_\\d\\d is entry \\d+ of the log ${origin}, `),
  );
  expect(demo.stdout).toMatch(
    new RegExp(`\nok: commit [0-9a-f]{64} of \\S+/nightly is entry \\d+ of the log ${origin}, `),
  );
  expect(demo.stdout).toMatch(/\nrefused: the entry names no file \S+\.(?:qcow2|box) with the bytes of /);
  expect(demo.stdout).toMatch(
    /\nchanged: builds\/\S+\.(?:qcow2|box): [^\n]*\n[^\n]*: 1 finding; [^\n]*\nexit code 1\n/,
  );
});

test('the second night lists exactly the updated packages', async () => {
  const [, second] = await builds();
  const show = JSON.parse((await cli('show', String(second?.['buildid']), '--json')).stdout);
  const changes = show.pkgdiff.map(([name, kind]: [string, number]) => `${name} ${kind}`);
  expect(changes).toEqual(['curl 2', 'hostname 2', 'iputils-ping 2', 'sudo 2', 'tree 2']);
});

test('a warm night uses the initramfs of the night before again when nothing that went into it changed', async () => {
  const how = (await builds()).slice(0, 2).map((meta) => (meta['atomic-nightly.compose'] as Compose).initramfs);
  expect(how).toEqual(['built', 'reused']);
});

test('I1, I6: ostree fsck is clean, and a client pulls both nights over HTTP', async () => {
  const repo = join(dir, 'published/repo');
  expect((await run('ostree', ['fsck', `--repo=${repo}`])).stdout).toContain('fsck objects');
  const server = await serveFolder({ root: join(dir, 'published'), port });
  try {
    const client = join(dir, 'client');
    const [first, second] = await builds();
    await run('ostree', ['init', `--repo=${client}`, '--mode=bare-user']);
    await run('ostree', ['remote', 'add', `--repo=${client}`, '--no-gpg-verify', 'lab', `${server.url}/repo`]);
    const ref = 'lab-atomic-host/x86_64/nightly';
    await run('ostree', ['pull', `--repo=${client}`, '--depth=1', 'lab', ref]);
    await run('ostree', ['fsck', `--repo=${client}`, '--quiet']);
    const log = (await run('ostree', ['log', `--repo=${client}`, `lab:${ref}`])).stdout;
    const seen = [...log.matchAll(/^commit ([0-9a-f]{64})$/gm)].map(([, commit]) => commit);
    expect(seen).toEqual([second?.['ostree-commit'], first?.['ostree-commit']]);
  } finally {
    await server.stop();
  }
});

test('the commit says what rpm-ostree would say, whichever engine made it', async () => {
  const [, second] = await builds();
  const commit = await readCommit(join(dir, 'published/repo'), String(second?.['ostree-commit']));
  expect(commit.version).toBe(second?.['buildid']);
  expect(commit.packages?.map(({ name }) => name)).toEqual(
    expect.arrayContaining(['filesystem', 'kernel', 'ostree', 'systemd']),
  );
  expect(Object.keys(commit.repoTimestamps ?? {})).toEqual(['lab-base', 'lab-sig-atomic']);
  expect(commit.inputHash).toMatch(/^[0-9a-f]{64}$/);
});

test('the second night has its images, and those that were booted came up', async () => {
  const [, second] = await builds();
  expect(Object.keys(second?.['images'] as object)).toEqual(boot.includes('generic-cloud') ? types : types.slice(1));
  const tests = (second?.['atomic-nightly.smoke-tests'] ?? {}) as Record<string, { state: string }>;
  expect(Object.keys(tests)).toEqual(boot);
  for (const type of boot) expect(tests[type]?.state, type).toBe('running');
  // Without a smoke test nothing is called tested.
  if (boot.length === 0) return;
  const tested = await run('ostree', [
    ...['rev-parse', `--repo=${join(dir, 'published/repo')}`, 'lab-atomic-host/x86_64/nightly-tested'],
  ]);
  expect(tested.stdout.trim()).toBe(second?.['ostree-commit']);
});

test('vagrant adds the boxes of the night from the published catalogue, by their checksums', async () => {
  const [, second] = await builds();
  const server = await serveFolder({ root: join(dir, 'published'), port });
  try {
    const env = { VAGRANT_HOME: join(dir, 'vagrant'), VAGRANT_CHECKPOINT_DISABLE: '1' };
    const catalogue = `${server.url}/vagrant/lab-atomic-host-nightly.json`;
    const [day, count] = String(second?.['buildid']).split('_');
    for (const provider of ['libvirt', 'virtualbox']) {
      await run('vagrant', ['box', 'add', catalogue, '--provider', provider, '--no-tty'], { env });
      const { stdout } = await run('vagrant', ['box', 'list', '--no-tty'], { env });
      expect(stdout).toMatch(new RegExp(`lab-atomic-host-nightly +\\(${provider}, ${day}\\.${Number(count)}\\)`));
    }
  } finally {
    await server.stop();
  }
});

test('published checksums verify, and the index names both builds', async () => {
  const [first, second] = await builds();
  for (const build of [first, second]) {
    const folder = join(dir, 'published/builds', String(build?.['buildid']), 'x86_64');
    const { stdout } = await run('sha256sum', ['--check', 'SHA256SUMS'], { cwd: folder });
    expect(stdout).toContain(build === second ? 'Libvirt.box: OK' : 'GenericCloud.qcow2: OK');
  }
  const index = JSON.parse(await readFile(join(dir, 'published/builds/builds.json'), 'utf8'));
  expect(index.builds.map(({ id }: { id: string }) => id)).toEqual([second?.['buildid'], first?.['buildid']]);
});
