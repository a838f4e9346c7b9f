import { lstatSync, mkdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createDnfEngine } from '../../src/engines/dnf/dnf-engine.ts';
import { readCommit } from '../../src/ostree/objects.ts';
import { run } from '../../src/programs/exec.ts';
import { initRepo } from '../../src/programs/ostree.ts';
import { readTreefile } from '../../src/treefile/read.ts';
import { readRepositories } from '../../src/treefile/treefile-repos.ts';
import { meantDifferences, recordedListing } from '../support/lab-differences.ts';
import { testLab } from '../support/test-lab.ts';
import { testTask } from '../support/tmp.ts';
import { classify, compareTrees, parseTreeListing } from '../support/tree-listing.ts';

// The dnf engine's first night of the lab, laid beside the one that a real rpm-ostree made of it.
let dir: string;
let repo: string;
let commit: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'atomic-nightly-e2e-'));
  for (const name of ['cache', 'scratch']) mkdirSync(join(dir, name));
  const task = testTask(dir);
  const lab = await testLab(join(dir, 'lab'), 'http://127.0.0.1:8087', task);
  repo = join(dir, 'repo');
  await initRepo(repo, 'archive', task);
  const engine = await createDnfEngine();
  const treefile = await readTreefile(lab.treefile, { basearch: 'x86_64' });
  engine.check(treefile);
  const cacheDir = join(dir, 'cache');
  const states = await readRepositories(treefile, task);
  const { lockfile, inputHash } = await engine.resolve({ treefile, cacheDir, repo }, task);
  const request = {
    ...{ treefile, lockfile, inputHash, cacheDir, repo, scratchDir: join(dir, 'scratch'), metadata: {} },
    ...{ ref: 'lab-atomic-host/x86_64/nightly', version: '12.20261121.0', timestamp: 1_795_000_000 },
    repoTimestamps: Object.fromEntries(states.map(({ id, generated }) => [id, generated])),
  };
  ({ commit } = await engine.compose(request, task));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

/** Paths of the tree that its packages own, where the tree has them. */
async function ownedPaths(): Promise<Set<string>> {
  const database = join(dir, 'database');
  await run('ostree', ['checkout', `--repo=${repo}`, '-U', '--subpath=/usr/share/rpm', commit, database]);
  const { stdout } = await run('rpm', ['--dbpath', database, '-qal']);
  return new Set(stdout.split('\n').map((path) => path.replace(/^\/(?=(bin|sbin|lib|lib64|etc)\/)/, '/usr/')));
}

test('the tree differs from that of a real rpm-ostree only in what is meant', async () => {
  const after = parseTreeListing((await run('ostree', ['ls', `--repo=${repo}`, '-RXC', commit])).stdout);
  const owned = await ownedPaths();
  const kver = [...owned].flatMap((path) => /^\/usr\/lib\/modules\/([^/]+)\/vmlinuz$/.exec(path)?.[1] ?? [])[0] ?? '';
  const normal = new Set([...owned].map((path) => path.replace(`/lib/modules/${kver}/`, '/lib/modules/KVER/')));
  const differences = compareTrees(parseTreeListing(await recordedListing()), after);
  const { found, other } = classify(differences, meantDifferences(normal));
  for (const [name, some] of found) console.log(`${String(some.length).padStart(6)}  ${name}`);
  console.log(`${String(other.length).padStart(6)}  not meant`);
  expect(other.map(({ kind, path }) => `${kind} ${path}`)).toEqual([]);
});

test('a deployment lists all packages, makes homes in /var/home, and has its temporary folders', async () => {
  const sysroot = join(dir, 'sysroot');
  mkdirSync(sysroot);
  const env = { OSTREE_SYSROOT_DEBUG: 'mutable-deployments' };
  await run('ostree', ['admin', 'init-fs', '--modern', sysroot]);
  await run('ostree', ['admin', 'os-init', `--sysroot=${sysroot}`, 'lab']);
  await run('ostree', ['pull-local', `--repo=${join(sysroot, 'ostree/repo')}`, repo, commit]);
  await run('ostree', ['admin', 'deploy', `--sysroot=${sysroot}`, '--os=lab', commit], { env });
  const host = join(sysroot, 'ostree/deploy/lab/deploy', `${commit}.0`);
  await run('systemd-tmpfiles', ['--create', `--root=${host}`], { okExitCodes: [0, 65, 73] });
  const { stdout } = await run('rpm', ['--root', host, '--dbpath', '/var/lib/rpm', '-qa', '--qf', '%{NAME}\n']);
  const { packages = [] } = await readCommit(repo, commit);
  expect(packages.length).toBeGreaterThan(150);
  expect(stdout.trim().split('\n').sort()).toEqual(packages.map(({ name }) => name).sort());
  await run('chroot', [host, 'useradd', '--create-home', 'jane']);
  // Debian's defaults for useradd have no HOME, and rpm-ostree only changes one that is there.
  expect(readFileSync(join(host, 'etc/passwd'), 'utf8')).toMatch(/^jane:.*:(\/var)?\/home\/jane:/m);
  expect(lstatSync(join(host, 'var/home/jane')).isDirectory()).toBe(true);
  expect(lstatSync(join(host, 'var/tmp')).mode & 0o7777).toBe(0o1777);
});
