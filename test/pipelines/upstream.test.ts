import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { findBuild, type StoredBuild } from '../../src/build/build-store.ts';
import { parseUpstream, type UpstreamRecord } from '../../src/build/upstream-record.ts';
import { review } from '../../src/cli/commands/review.ts';
import { compareUpstream } from '../../src/pipelines/compare-upstream.ts';
import { knownDistance } from '../../src/pipelines/known-distance.ts';
import { run } from '../../src/programs/exec.ts';
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

const compare = (source: Parameters<typeof compareUpstream>[2]['source'], ignore: readonly string[] = []) =>
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
    ...{ version: 1, build: builds.candidate, at: expect.any(String), release: '9.20261005.0' },
    source: { kind: 'ref', repo: `${server.url}/repo`, ref: REF, commit },
    missing: ['curl-1:8.1-1.el9.x86_64'],
    older: [{ name: 'bash', ours: '5.09-1.el9.x86_64', upstream: '5.20-1.el9.x86_64' }],
    ...{ newer: [], extra: [] },
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
  const own: UpstreamRecord = await compare({ kind: 'stream', stream: 'nightly' });
  expect(own.source).toEqual({ kind: 'stream', stream: 'nightly', build: builds.ids.at(-1) });
  expect((await compare({ kind: 'stream', stream: 'release' })).source).toMatchObject({ build: builds.released });
});

test('upstream that cannot be read: what and why; the gate refuses, and show does not fail', async () => {
  await expect(compare({ kind: 'packages', url: `${server.url}/bad.txt` })).rejects.toThrow(
    'bad.txt:2: "404 not here"',
  );
  await expect(compare({ kind: 'packages', url: `${server.url}/none` })).rejects.toThrow('there is no such file');
  const empty = await commitTestTree({ repo: join(far, 'repo'), tree: { a: 'c' } });
  await run('ostree', [`--repo=${far}/repo`, 'refs', '--create=plain', empty]);
  const plain = { kind: 'ref', repo: `${server.url}/repo`, ref: 'plain' } as const;
  await expect(compare(plain)).rejects.toThrow('it does not list its packages');
  await writeFile(join(far, 'repo/refs/heads', REF), 'nonsense\n');
  const refused = await cli('release', builds.candidate, '--dry-run');
  expect(refused).toMatchObject({ code: 12, stderr: expect.stringContaining('it does not hold a commit') });
  expect((await cli('show', builds.candidate, '--no-updates')).code).toBe(0);
});
