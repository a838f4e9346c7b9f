import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { freePort } from '../../src/base/free-port.ts';
import { findBuild, type StoredBuild } from '../../src/build/build-store.ts';
import { parseUpstream, type UpstreamRecord } from '../../src/build/upstream-record.ts';
import { review } from '../../src/cli/commands/review.ts';
import type { UpstreamSource } from '../../src/config/config.ts';
import { compareUpstream } from '../../src/pipelines/compare-upstream.ts';
import { knownDistance } from '../../src/pipelines/known-distance.ts';
import { run } from '../../src/programs/exec.ts';
import { signCommit } from '../../src/publish/sign-commit.ts';
import { sourceLine } from '../../src/rpm/source-distance.ts';
import { distanceText } from '../../src/rpm/upstream-distance.ts';
import { openSigner } from '../../src/signing/open-signer.ts';
import { BASE_RECIPES } from '../support/mini-recipes.ts';
import { buildMiniRpm } from '../support/mini-rpm.ts';
import { serveFolder } from '../support/nginx.ts';
import { makeFileKey } from '../support/openpgp-key.ts';
import { commitTestTree, makeRepo } from '../support/ostree-repo.ts';
import { makePageBuilds, type PageBuilds } from '../support/page-builds.ts';
import { sharedFolder, testTask } from '../support/tmp.ts';
import { runCli } from '../support/world.ts';

const dir = sharedFolder();
const far = join(dir, 'far');
const REF = 'base/x86_64/stable';
let builds: PageBuilds;
let server: Awaited<ReturnType<typeof serveFolder>>;
let commit: string;
let candidate: StoredBuild;

// Another distribution's repository and list behind a web server, and a candidate that has bash 5.09 alone.
beforeAll(async () => {
  await mkdir(far);
  server = await serveFolder({ root: far });
  const repo = await makeRepo(far);
  const packages =
    "[('bash','0','5.20','1.el9','x86_64'),('curl','1','8.1','1.el9','x86_64'),('ignored','0','1','1','noarch')]";
  commit = await commitTestTree({ repo, tree: { a: 'b' }, metadata: { 'rpmostree.rpmdb.pkglist': packages } });
  await run('ostree', [`--repo=${repo}`, 'refs', `--create=${REF}`, commit]);
  await writeFile(join(far, 'list.txt'), 'bash-5.01-1.el9.x86_64\nignored-1-1.noarch\n');
  await writeFile(join(far, 'bad.txt'), 'bash-5.01-1.el9.x86_64\n404 not here\n');
  const upstream = `upstream: {repo: '${server.url}/repo', ref: 'base/\${basearch}/stable', ignore: [ignored], max-missing: 0, max-older: 5}`;
  const key = await makeFileKey(dir);
  const signing = `{type: openpgp, key-file: ${key.keyFile}, passphrase-file: ${key.passphrase.file}}`;
  builds = await makePageBuilds(join(dir, 'here'), 12, (config) =>
    config
      .replace('cycle: {start: 2026-10-05, weeks: 4}', `cycle: {start: 2026-10-05, weeks: 4, ${upstream}}`)
      .replace('approvals: 2', 'approvals: 0')
      .replace(/signing: .*/, `signing: ${signing}`),
  );
  candidate = await findBuild(builds.config.work, builds.candidate);
});
afterAll(() => server.stop());

/** A commit with a tree that starts and knows these, whose rpm database has these packages, and whose metadata lists none. */
async function commitSystem(repo: string, names: readonly string[], { unit, user }: Record<'unit' | 'user', string>) {
  const folder = await mkdtemp(join(dir, 'system-'));
  const wants = join(folder, 'usr/etc/systemd/system/multi-user.target.wants');
  for (const one of [wants, join(folder, 'usr/lib/systemd/system'), join(folder, 'usr/share/rpm')])
    await mkdir(one, { recursive: true });
  await writeFile(join(folder, 'usr/lib/systemd/system', unit), '[Service]\n');
  await symlink(`/usr/lib/systemd/system/${unit}`, join(wants, unit));
  await writeFile(join(folder, 'usr/lib/passwd'), `${user}:x:990:990::/:/sbin/nologin\n`);
  const rpms = BASE_RECIPES.filter(({ name }) => names.includes(name)).map((one) => buildMiniRpm(one));
  const options = ['--justdb', '--nodeps', '--nosignature', '--root', '/', '--dbpath', join(folder, 'usr/share/rpm')];
  await run('rpm', ['--install', ...options, ...(await Promise.all(rpms))]);
  const { stdout } = await run('ostree', [
    ...[`--repo=${repo}`, 'commit', '--orphan', '--bind-ref=system', '--canonical-permissions', `--tree=dir=${folder}`],
  ]);
  return stdout.trim();
}

const compare = (source: UpstreamSource, ignore: readonly string[] = []) =>
  compareUpstream(builds.config, candidate, { source, ignore }, testTask(dir));
const cli = (...args: readonly string[]) => runCli(join(dir, 'here'), args);

test('a release too far from upstream is refused by name, and a page can say later what it was compared with', async () => {
  expect(await knownDistance(builds.config, candidate)).toContain('not known: it was not compared yet');
  const refused = await cli('release', builds.candidate);
  expect(refused.stderr).toContain('1 package is missing, and at most 0 may be:\n  curl-1:8.1-1.el9.x86_64\n');
  expect(refused.stderr).not.toContain('older than upstream');
  expect(refused.code).toBe(12);
  const file = join(candidate.paths.dir, 'upstream.json');
  expect(parseUpstream(await readFile(file), file)).toEqual({
    ...{ version: 2, build: builds.candidate, at: expect.any(String), release: '9.20261005.0' },
    source: { kind: 'ref', repo: `${server.url}/repo`, ref: REF, commit },
    missing: ['curl-1:8.1-1.el9.x86_64'],
    older: [{ name: 'bash', ours: '5.09-1.el9.x86_64', upstream: '5.20-1.el9.x86_64' }],
    ...{ newer: [], extra: [] },
    unknown: [
      'source packages of upstream: its tree has no rpm database that can be read',
      'source packages of this build: its tree is not composed, or not here any more',
      'enabled units and users of this build: its tree is not composed, or not here any more',
    ],
  });
  const summary = `1 missing, 1 older, 0 newer, 0 extra (${REF}, commit ${commit.slice(0, 12)}, on 20`;
  const shown = await cli('show', builds.candidate, '--no-updates');
  expect(shown.stdout).toContain(`Distance:  ${summary}`);
  const page = join(dir, 'review.html');
  const context = { config: builds.config.path, logFormat: 'plain', print: () => undefined } as const;
  const { signal } = new AbortController();
  await review.run({ build: builds.candidate, since: undefined, html: page, json: false }, { ...context, signal });
  expect(await readFile(page, 'utf8')).toContain(`<dt>Distance from upstream</dt><dd>${summary}`);
});

test('compare prints each package, from a repository, a list or a stream', async () => {
  const printed = await cli('compare', builds.candidate, '--upstream');
  expect(printed.stdout).toMatch(
    /: 1 missing, 1 older, 0 newer, 0 extra\nMissing:\n {2}curl-1:8\.1-1\.el9\.x86_64\nOlder:\n/,
  );
  const list = await compare({ kind: 'packages', url: `${server.url}/list.txt` });
  expect(list).toMatchObject({ missing: ['ignored-1-1.noarch'], older: [], source: { sha256: expect.any(String) } });
  expect(list.newer.map(({ name }) => name)).toEqual(['bash']);
  expect(list.unknown).toContain('enabled units and users of upstream: a list of packages does not say it');
  const own: UpstreamRecord = await compare({ kind: 'stream', stream: 'nightly' });
  expect(own.source).toEqual({ kind: 'stream', stream: 'nightly', build: builds.ids.at(-1) });
  expect((await compare({ kind: 'stream', stream: 'release' })).source).toMatchObject({ build: builds.released });
});

test('of two trees: source packages, enabled units and users, from the rpm database where a commit lists no packages', async () => {
  const repo = join(far, 'repo');
  const theirs = await commitSystem(repo, ['app', 'lib', 'filesystem'], { unit: 'sshd.service', user: 'sshd' });
  await run('ostree', [`--repo=${repo}`, 'refs', '--create=system', theirs]);
  const ours = join(builds.config.work, 'repo');
  await run('ostree', [`--repo=${ours}`, 'init', '--mode=archive']);
  const ostreeCommit = await commitSystem(ours, ['filesystem', 'svc'], { unit: 'svc.service', user: 'svc' });
  const { buildid, ...meta } = builds.meta(builds.candidate);
  builds.write({ ...meta, buildid, ostreeCommit });
  // The tree's own packages, as of a tree that others made.
  await rm(candidate.paths.lockfile);
  const task = testTask(dir);
  const stored = await findBuild(builds.config.work, buildid);
  const ref = { kind: 'ref', repo: `${server.url}/repo`, ref: 'system' } as const;
  const found = await compareUpstream(builds.config, stored, { source: { ...ref, gpgKeys: [] }, ignore: [] }, task);
  expect(found).toMatchObject({
    ...{ missing: ['app-1:2.0-1.noarch', 'lib-1.0-1.noarch'], extra: ['svc-1.0-1.noarch'], unknown: [] },
    units: { missing: ['sshd.service'], extra: ['svc.service'] },
    users: { missing: ['sshd'], extra: ['svc'] },
  });
  expect(found.sources?.map(sourceLine)).toEqual([
    'app (upstream 2.0-1): missing app',
    'lib (upstream 1.0-1): missing lib',
    'svc (1.0-1): extra svc',
  ]);
  expect(distanceText(found)).toContain('; enabled units: 1 missing, 1 extra; users: 1 missing, 1 extra');

  // Keys that did not sign it, then one that did.
  const [right, wrong] = [await makeFileKey(dir, { name: 'upstream' }), await makeFileKey(dir, { name: 'other' })];
  await signCommit(repo, theirs, await openSigner(right), task);
  const signed = (gpgKeys: readonly string[]) =>
    compareUpstream(builds.config, stored, { source: { ...ref, gpgKeys }, ignore: [] }, task);
  await expect(signed([wrong.publicKeyFile])).rejects.toThrow('has no good signature by a key that is trusted here');
  await expect(signed([join(dir, 'none.asc')])).rejects.toThrow('none.asc: there is no such key');
  expect((await signed([wrong.publicKeyFile, right.publicKeyFile])).units).toEqual(found.units);
  builds.write({ ...meta, buildid });
});

test('upstream that cannot be read: what and why; the gate refuses, and show does not fail', async () => {
  await expect(compare({ kind: 'packages', url: `${server.url}/bad.txt` })).rejects.toThrow(
    'bad.txt:2: "404 not here"',
  );
  await expect(compare({ kind: 'packages', url: `${server.url}/none` })).rejects.toThrow('there is no such file');
  // A network that fails is no fault of the configuration: exit code 1.
  const down = { kind: 'packages', url: `http://127.0.0.1:${await freePort()}/list.txt` } as const;
  await expect(compare(down)).rejects.toMatchObject({
    code: 'repo-unreachable',
    message: expect.stringContaining('ECONNREFUSED'),
  });
  const empty = await commitTestTree({ repo: join(far, 'repo'), tree: { a: 'c' } });
  await run('ostree', [`--repo=${far}/repo`, 'refs', '--create=plain', empty]);
  const plain = { kind: 'ref', repo: `${server.url}/repo`, ref: 'plain', gpgKeys: [] } as const;
  await expect(compare(plain)).rejects.toThrow('its tree has no rpm database that can be read');
  await writeFile(join(far, 'repo/refs/heads', REF), 'nonsense\n');
  const refused = await cli('release', builds.candidate, '--dry-run');
  expect(refused).toMatchObject({ code: 12, stderr: expect.stringContaining('does not hold a commit') });
  expect((await cli('show', builds.candidate, '--no-updates')).code).toBe(0);
});
