import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { beginRun, clean } from '../../../src/engines/rpm-ostree/leftovers.ts';
import { run, start } from '../../../src/programs/exec.ts';
import { temporaryFolder, testTask } from '../../support/tmp.ts';
import { bench, night, TIMESTAMP } from './support.ts';

const PACKAGES = { app: '3.0-1.x86_64' };

test.each(['2018.7', '2020.8'])(
  'I4: %s killed in the middle of a compose: the next try cleans up and ends the same',
  async (version) => {
    const here = await bench({ version, packages: PACKAGES });
    const engine = await here.engine();
    const { treefile, cacheDir, repo, scratchDir, task } = here;
    const theirs = join(here.varTmp, 'rpm-ostree.theirs');
    mkdirSync(theirs);
    const resolution = await engine.resolve({ treefile, cacheDir, repo }, task);
    here.setState({ version, packages: PACKAGES, hang: true });
    const stop = new AbortController();
    const request = {
      treefile,
      ...resolution,
      cacheDir,
      scratchDir,
      repo,
      ref: 'a',
      version: '1',
      timestamp: TIMESTAMP,
      repoTimestamps: {},
      metadata: {},
    };
    const killed = engine.compose(request, testTask(here.folder, stop.signal));
    killed.catch(() => undefined);
    while (!existsSync(join(here.folder, 'hanging'))) await sleep(20);
    stop.abort(new Error('killed'));
    await expect(killed).rejects.toThrow('killed');
    const stray = readdirSync(here.varTmp).filter((name) => name !== 'rpm-ostree.theirs');
    expect(stray).toHaveLength(1);

    here.setState({ version, packages: PACKAGES });
    const composed = await engine.compose(request, task);
    expect(readdirSync(here.varTmp)).toEqual(['rpm-ostree.theirs']);
    expect(readdirSync(join(cacheDir, 'cache')).filter((name) => name.startsWith('rpm-ostree-compose'))).toEqual([]);
    expect(task.lines).toContainEqual(expect.stringContaining('removed what an interrupted try left behind'));

    const undisturbed = await bench({ version, packages: PACKAGES });
    const other = await night(undisturbed, await undisturbed.engine(), '1');
    expect(composed.contentChecksum).toBe(other.composed.contentChecksum);
  },
);

test.each(['', '{', '{"since": "x"}'])('a damaged ledger (%j) says of nothing that it is ours', async (text) => {
  const dir = temporaryFolder();
  const [cacheDir, temporary] = [join(dir, 'cache'), join(dir, 'tmp')];
  for (const path of [cacheDir, join(temporary, 'rpm-ostree.x')]) mkdirSync(path, { recursive: true });
  const places = { cacheDir, repos: [], temporary: [temporary] };
  writeFileSync(join(cacheDir, 'running.json'), text);
  expect(await clean(places, testTask(dir))).toEqual([]);
  expect(readdirSync(temporary)).toEqual(['rpm-ostree.x']);
});

test('only what is ours is removed: new since our try began, ours, and used by nobody', async () => {
  const here = await bench({ version: '2020.8', packages: PACKAGES });
  const make = (path: string) => {
    mkdirSync(path, { recursive: true });
    writeFileSync(join(path, 'file'), '');
    return path;
  };
  const places = { cacheDir: here.cacheDir, repos: [here.repo], temporary: [here.varTmp] };
  const older = make(join(here.varTmp, 'rpm-ostree.older'));
  mkdirSync(here.cacheDir);
  await beginRun(places);
  const left = make(join(here.varTmp, 'rpm-ostree.left'));
  const other = make(join(here.varTmp, 'something-else'));
  const used = make(join(here.varTmp, 'rpm-ostree.used'));
  const staging = make(join(here.repo, 'tmp', 'staging-boot-abcdef'));
  const busy = make(join(here.repo, 'tmp', 'staging-boot-busy00'));
  writeFileSync(`${busy}-lock`, '');
  const work = make(join(here.cacheDir, 'rpm-ostree-compose.abcdef'));
  const user = await start('sh', ['-c', `exec 9<'${busy}-lock'; exec sleep 60`], { cwd: used });
  onTestFinished(() => user.stop());
  await sleep(100);

  const removed = await clean(places, here.task);
  expect(new Set(removed)).toEqual(new Set([work, left, staging]));
  expect([older, other, used, busy, `${busy}-lock`].filter((path) => !existsSync(path))).toEqual([]);
  // Without a ledger, nothing outside of our own folders is touched.
  make(join(here.varTmp, 'rpm-ostree.later'));
  expect(await clean(places, here.task)).toEqual([]);
});

test('a mount left in a temporary folder is taken away first', async () => {
  const here = await bench({ version: '2020.8', packages: PACKAGES });
  const places = { cacheDir: here.cacheDir, repos: [], temporary: [here.varTmp] };
  mkdirSync(here.cacheDir);
  await beginRun(places);
  const mount = join(here.varTmp, 'rpmostree-rofiles-fuse.abcdef');
  const source = join(here.folder, 'source');
  for (const path of [mount, source]) mkdirSync(path);
  writeFileSync(join(source, 'precious'), '');
  await run('mount', ['--bind', source, mount]);
  onTestFinished(async () => {
    await run('umount', ['--lazy', mount], { okExitCodes: [0, 1, 32] });
  });
  expect(await clean(places, here.task)).toEqual([mount]);
  expect(existsSync(join(source, 'precious'))).toBe(true);
  expect(existsSync(mount)).toBe(false);
});

test('a process of ours that outlived its client is ended, others with another cache are not', async () => {
  const here = await bench({ version: '2020.8', packages: PACKAGES });
  const ours = await start('sh', ['-c', 'read line', 'compose', `--cachedir=${here.cacheDir}`], {
    keepStdinOpen: true,
  });
  const theirs = await start('sh', ['-c', 'read line', 'compose', `--cachedir=${here.cacheDir}2`], {
    keepStdinOpen: true,
  });
  onTestFinished(async () => {
    await Promise.all([ours.stop(), theirs.stop()]);
  });
  await clean({ cacheDir: here.cacheDir, repos: [], temporary: [] }, here.task);
  expect(await ours.exited).toBe(null);
  expect(await Promise.race([theirs.exited, sleep(100, 'alive')])).toBe('alive');
});
