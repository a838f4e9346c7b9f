import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import { loadConfig } from '../../../src/config/load.ts';
import { run } from '../../../src/programs/exec.ts';
import { pruneConfigured, pruneLocalRepo } from '../../../src/steps/deliver/prune-targets.ts';
import { commitTestTree, TEST_REF, testTree } from '../../support/ostree-repo.ts';
import { nightId, noon, pruneBed } from '../../support/prune-bed.ts';
import { runCli } from '../../support/world.ts';

type Bed = Awaited<ReturnType<typeof pruneBed>>;

/** A configuration whose work folder has the bed's local repository and whose target is the bed's. */
async function configure(bed: Bed, retention: string): Promise<string> {
  const path = join(bed.dir, 'atomic-nightly.yaml');
  await writeFile(join(bed.dir, 'tree.yaml'), 'ref: x\n');
  await writeFile(
    path,
    `name: test
work: ./near
targets:
  dir: {type: directory, path: ./far, url: '${bed.url}', ${retention}}
  new: {type: directory, path: ./new, url: '${bed.url}'}
streams:
  nightly: {treefile: ./tree.yaml, targets: [dir]}
`,
  );
  return path;
}

const has = (repo: string, commit: string): boolean =>
  existsSync(join(repo, `objects/${commit.slice(0, 2)}/${commit.slice(2)}.commit`));

async function nights(bed: Bed, count: number): Promise<string[]> {
  const commits: string[] = [];
  for (let n = 0; n < count; n += 1) {
    commits.push(await bed.night(n, { ...testTree(20), [`usr/own/${n}`]: `${n}` }, commits.at(-1)));
  }
  return commits;
}

/** A build's record and journal in the work folder. */
async function localBuild(bed: Bed, id: string, state: string, commit: string): Promise<void> {
  const folder = join(dirname(bed.repo), 'builds', id, 'x86_64');
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'meta.json'), JSON.stringify({ buildid: id, 'atomic-nightly.state': state }));
  await writeFile(join(folder, 'journal.ndjson'), `${JSON.stringify({ event: 'done', output: { commit } })}\n`);
}

it('the local repository loses what no target has any more, and never a commit of an unfinished build', async () => {
  const bed = await pruneBed();
  const commits = await nights(bed, 5);
  const loose = (n: number) => commitTestTree({ repo: bed.repo, tree: { loose: `${n}` }, timestamp: noon(n) });
  const [failed, finished, named] = [await loose(1), await loose(2), await loose(3)];
  await localBuild(bed, nightId(1), 'failed', failed);
  await localBuild(bed, nightId(2), 'complete', finished);
  await run('ostree', [`--repo=${bed.repo}`, 'refs', '--create=mine', named]);
  const config = await loadConfig(await configure(bed, `retention: {refs: {'*': {depth: 2}}, grace: 1d}`));
  const local = (now: number) =>
    pruneConfigured(config, bed.target, { dryRun: false, now }, bed.task).then(() =>
      pruneLocalRepo(config, { dryRun: false, wouldGo: new Map() }, bed.task),
    );
  // Given up is not gone: only what was never published goes.
  expect((await local(noon(5))).commits).toEqual([finished]);
  const { commits: went, bytes } = await local(noon(7));
  expect([...went].sort()).toEqual(commits.slice(0, 3).sort());
  expect(bytes).toBeGreaterThan(100);
  for (const commit of [...commits.slice(3), failed, named]) expect(has(bed.repo, commit)).toBe(true);
  await run('ostree', [`--repo=${bed.repo}`, 'fsck', '--quiet']);
  // What is left is enough to publish the next night from.
  await bed.night(8, { ...testTree(20), next: '1' }, commits.at(-1));
  await bed.fsck();
});

it('I8: the local repository keeps everything while it cannot be told what a target has', async () => {
  const bed = await pruneBed();
  await nights(bed, 3);
  const config = await loadConfig(await configure(bed, `retention: {refs: {'*': {depth: 1}}, grace: 1d}`));
  await pruneConfigured(config, bed.target, { dryRun: false, now: noon(4) }, bed.task);
  await bed.writeFar('repo/summary', 'garbage');
  const before = (await run('bash', ['-c', `find ${bed.repo}/objects -type f | sort`])).stdout;
  const prune = pruneLocalRepo(config, { dryRun: false, wouldGo: new Map() }, bed.task);
  await expect(prune).rejects.toMatchObject({ code: 'ostree' });
  expect((await run('bash', ['-c', `find ${bed.repo}/objects -type f | sort`])).stdout).toBe(before);
});

it('atomic-nightly prune: tells what stays and why, gives up, and stops at a ref without a policy', async () => {
  const bed = await pruneBed();
  const commits = await nights(bed, 3);
  await configure(bed, `retention: {refs: {'${TEST_REF}': {depth: 2}}}`);
  const dry = await runCli(bed.dir, ['prune', '--dry-run', '--json']);
  expect(dry.code).toBe(0);
  const { targets } = JSON.parse(dry.stdout);
  expect(targets[0].refs[0].commits).toMatchObject([
    { commit: commits[2], version: nightId(2), state: 'kept', why: ['ref', 'depth'] },
    { commit: commits[1], state: 'kept', why: ['depth'] },
    { commit: commits[0], state: 'given-up', why: [], due: expect.stringMatching(/^20\d\d-/) },
  ]);
  expect(targets[0].later.files).toBeGreaterThan(2);
  expect(existsSync(join(bed.far, 'builds/retired.json'))).toBe(false);

  const done = await runCli(bed.dir, ['prune']);
  expect(done.code).toBe(0);
  expect(done.stdout).toMatch(/^ +VERSION +COMMIT +STATE$/m);
  expect(done.stdout).toContain(`${nightId(0)}  ${commits[0]?.slice(0, 12)}  given up, goes after`);
  expect(Object.keys((await bed.readFar('builds/retired.json')).commits)).toEqual([commits[0]]);

  await configure(bed, `retention: {refs: {'other/*': {depth: 2}}}`);
  const stopped = await runCli(bed.dir, ['prune']);
  expect(stopped.code).toBe(2);
  expect(stopped.stderr).toContain(`'${TEST_REF}': {depth: 30}`);
  const none = await runCli(bed.dir, ['prune', 'new']);
  expect(none).toMatchObject({ code: 2, stderr: expect.stringContaining('has no retention') });
  expect(await runCli(bed.dir, ['prune', 'dri'])).toMatchObject({ code: 2, stderr: expect.stringContaining('"dir"') });
});
