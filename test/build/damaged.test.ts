import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { quietTask } from '../../src/base/task.ts';
import {
  buildPaths,
  findBuild,
  readMeta,
  reserveBuildId,
  surveyBuilds,
  updateMeta,
} from '../../src/build/build-store.ts';
import { openJournal, readJournal, surveyJournal } from '../../src/build/journal.ts';
import { retractedWith } from '../../src/build/retractions.ts';
import { cycle as cycleCommand } from '../../src/cli/commands/cycle.ts';
import { diff as diffCommand } from '../../src/cli/commands/diff.ts';
import { list as listCommand } from '../../src/cli/commands/list.ts';
import { log as logCommand } from '../../src/cli/commands/log.ts';
import { buildWithCommit } from '../../src/cli/go-on.ts';
import { chooseBuilds } from '../../src/pipelines/plan-retract.ts';
import { findUnfinished, nextCommitTime } from '../../src/run/build.ts';
import { lockHolder } from '../../src/run/lock-holder.ts';
import { openProject } from '../../src/run/project.ts';
import { isRunLockHeld, takeRunLock } from '../../src/run/run-lock.ts';
import { pagesApp } from '../../src/service/live/live-app.ts';
import { openWork } from '../../src/service/live/work-folder.ts';
import { openState, serviceFolder } from '../../src/service/service-state.ts';
import { checkBuildClock } from '../../src/steps/compose/clock.ts';
import { prune } from '../../src/steps/deliver/prune.ts';
import { reconcile } from '../../src/steps/deliver/reconcile.ts';
import { DAMAGE } from '../support/damage.ts';
import { makePageBuilds } from '../support/page-builds.ts';
import { temporaryFolder, testTask } from '../support/tmp.ts';

async function printed(run: (print: (text: string) => void) => Promise<number>): Promise<string> {
  const lines: string[] = [];
  expect(await run((text) => lines.push(text))).toBe(0);
  return lines.join('\n');
}

describe.each(DAMAGE)('I15: a meta.json that is %s', (_, spoil) => {
  it('is named, and everything else goes on', async () => {
    const builds = await makePageBuilds(temporaryFolder(), 12);
    const { config, ids } = builds;
    const [bad = '', good = ''] = ids;
    const { meta } = buildPaths(config.work, bad, 'x86_64');
    spoil(meta);
    const { damaged } = await surveyBuilds(config.work);
    expect(damaged).toMatchObject([{ id: bad, arch: 'x86_64', error: { code: 'record' } }]);
    await expect(findBuild(config.work, bad)).rejects.toMatchObject({ code: 'record' });
    expect((await findBuild(config.work, good)).meta.buildid).toBe(good);
    const context = { config: config.path, logFormat: 'json' } as const;
    const list = await printed((print) =>
      listCommand.run({ stream: undefined, state: undefined, limit: 0, json: false }, { ...context, print }),
    );
    expect(list).toMatch(new RegExp(`${bad} +damaged +.*is damaged`));
    expect(list).toContain(good);
    expect(
      await printed((print) =>
        logCommand.run({ build: good, step: undefined, follow: false, json: false }, { ...context, print }),
      ),
    ).toContain('compose');
    const json = JSON.parse(
      await printed((print) =>
        listCommand.run({ stream: undefined, state: undefined, limit: 0, json: true }, { ...context, print }),
      ),
    );
    expect(json.find((one: { buildid: string }) => one.buildid === bad)['atomic-nightly.state']).toBe('damaged');
    const pages = pagesApp({ config, work: openWork(config.work) });
    for (const path of [
      '/',
      `/builds/${good}/x86_64/`,
      '/get/',
      '/feed.atom',
      '/streams/nightly/',
      `/builds/${bad}/x86_64/`,
    ])
      expect([path, (await pages.request(path)).status]).toEqual([path, 200]);
    expect(await (await pages.request('/')).text()).toContain('is damaged');
    expect(await (await pages.request(`/builds/${bad}/x86_64/`)).text()).toContain('is damaged');
  });
});

it('I15: a file with the name of a build id is one damaged build', async () => {
  const { config, ids } = await makePageBuilds(temporaryFolder(), 3);
  writeFileSync(join(config.work, 'builds/20301231_01'), '');
  const { builds, damaged } = await surveyBuilds(config.work);
  expect(damaged).toMatchObject([{ id: '20301231_01', error: { code: 'record' } }]);
  expect(builds).toHaveLength(ids.length);
  const pages = pagesApp({ config, work: openWork(config.work) });
  expect((await pages.request('/')).status).toBe(200);
});

describe('I15: a journal', () => {
  it('with a garbled line is read without it, and not gone on with', async () => {
    const { config, ids } = await makePageBuilds(temporaryFolder(), 2);
    const { journal } = buildPaths(config.work, ids[0] ?? '', 'x86_64');
    const before = await readJournal(journal);
    const good = before.map((entry) => JSON.stringify(entry));
    writeFileSync(journal, `${good[0]}\n{"at": "\n${good.slice(1).join('\n')}\n`);
    const { entries, faults } = await surveyJournal(journal);
    expect(entries).toEqual(before);
    expect(faults).toMatchObject([{ code: 'record', message: expect.stringContaining(`${journal}:2 is damaged`) }]);
    await expect(openJournal(journal)).rejects.toMatchObject({ code: 'record' });
  });

  it.each(DAMAGE)('that is %s does not end a page', async (_, spoil) => {
    const { config, ids } = await makePageBuilds(temporaryFolder(), 2);
    spoil(buildPaths(config.work, ids[1] ?? '', 'x86_64').journal);
    const pages = pagesApp({ config, work: openWork(config.work) });
    for (const path of ['/', `/builds/${ids[1]}/x86_64/`]) expect((await pages.request(path)).status).toBe(200);
  });
});

it.each(DAMAGE)('I15: a lock.json that is %s says nothing about the lock', async (_, spoil) => {
  const work = temporaryFolder();
  spoil(join(work, 'lock.json'));
  expect(await lockHolder(work)).toBeUndefined();
  const lock = await takeRunLock(work, 'nightly');
  expect(await lockHolder(work)).toMatchObject({ command: 'nightly', pid: process.pid });
  spoil(join(work, 'lock.json'));
  expect(await lockHolder(work)).toMatchObject({ command: 'unknown' });
  await expect(takeRunLock(work, 'other')).rejects.toMatchObject({ code: 'locked' });
  rmSync(join(work, 'lock.json'), { recursive: true, force: true });
  await lock.release();
  expect(await isRunLockHeld(work)).toBe(false);
});

it('a holder in another PID namespace counts as alive for as long as the kernel says so', async () => {
  const work = temporaryFolder();
  const lock = await takeRunLock(work, 'nightly');
  const holder = await lockHolder(work);
  const elsewhere = { ...holder, pid: 2 ** 22 + 7, pids: 'pid:[1]' };
  writeFileSync(join(work, 'lock.json'), JSON.stringify(elsewhere));
  expect(await lockHolder(work)).toMatchObject({ command: 'nightly' });
  await lock.release();
  writeFileSync(join(work, 'lock.json'), JSON.stringify(elsewhere));
  expect(await lockHolder(work)).toBeUndefined();
});

it.each(DAMAGE)(
  'I15: a service state that is %s is set aside, named, and the service begins anew',
  async (_, spoil) => {
    const work = temporaryFolder();
    mkdirSync(serviceFolder(work), { recursive: true });
    spoil(join(serviceFolder(work), 'state.json'));
    const told: string[] = [];
    const state = await openState(work, (line) => told.push(line));
    expect(state.current()).toEqual({ moments: {}, jobs: [] });
    expect(told).toEqual([expect.stringMatching(/state\.json is damaged: .* set aside as /)]);
    await state.change((old) => old);
    expect((await readdir(serviceFolder(work))).filter((name) => name.includes('.damaged-'))).toHaveLength(1);
  },
);

describe('I15: what a damaged record could make wrong stops, and nothing else', () => {
  /** The candidate is released, too: it is the newest release, of night 9 of 12. */
  async function twoReleases() {
    const builds = await makePageBuilds(temporaryFolder(), 12);
    builds.write({ ...builds.meta(builds.candidate), release: { at: '2026-10-10T09:00:00.000Z' } });
    const spoil = (id = '') => writeFileSync(buildPaths(builds.config.work, id, 'x86_64').meta, '{"buildid": "2026');
    const { config } = builds;
    const night = builds.ids.at(-2) ?? '';
    const diff = () =>
      diffCommand.run(
        { from: night, to: undefined, lastRelease: true, format: 'full', json: true },
        { config: config.path, logFormat: 'json', print: () => undefined },
      );
    const mirror = config.targets['mirror'];
    if (!mirror) throw new Error('there is no such target');
    const how = { dryRun: true, checksums: false, signBuilds: false };
    const heads = () => reconcile(config, mirror, how, quietTask());
    return { ...builds, spoil, diff, heads };
  }
  const isDamaged = {
    code: 'record',
    message: expect.stringMatching(/meta\.json is damaged/),
    hint: expect.stringMatching(/backup.*rename/),
  };

  it('the newest release: an older one is not taken for the last', async () => {
    const { candidate, spoil, diff, heads } = await twoReleases();
    await diff();
    spoil(candidate);
    await expect(diff()).rejects.toMatchObject(isDamaged);
    await expect(heads()).rejects.toMatchObject(isDamaged);
  });

  it('an old record changes neither the last release nor the newest build', async () => {
    const { config, ids, spoil, diff, heads } = await twoReleases();
    spoil(ids[2]);
    await diff();
    expect(await heads()).toMatchObject({ target: 'mirror' });
    expect((await buildWithCommit(config.path, undefined)).paths.id).toBe(ids.at(-1));
  });

  it('the newest build: without an id none but that can be meant', async () => {
    const { config, ids, spoil } = await twoReleases();
    spoil(ids.at(-1));
    await expect(buildWithCommit(config.path, undefined)).rejects.toMatchObject(isDamaged);
    await expect(findUnfinished(config.work, undefined)).rejects.toMatchObject(isDamaged);
    expect((await buildWithCommit(config.path, ids.at(-2))).paths.id).toBe(ids.at(-2));
  });

  it('a bad nightly build is taken back whatever older records look like, and not while a newer one is damaged', async () => {
    const { config, ids, spoil } = await twoReleases();
    const [oldest, good = '', between = '', bad = ''] = [ids[0], ids.at(-4), ids.at(-3), ids.at(-2)];
    rmSync(dirname(buildPaths(config.work, ids.at(-1) ?? '', 'x86_64').dir), { recursive: true });
    const choose = async (to: string) => chooseBuilds(await surveyBuilds(config.work), { id: bad, to }, 'nightly');
    spoil(oldest);
    expect(await choose(good)).toMatchObject({ good: { meta: { buildid: good } }, between: [between] });
    spoil(between);
    await expect(choose(good)).rejects.toMatchObject(isDamaged);
  });

  it('cycle names no night that is due while a newer record is damaged', async () => {
    const { config, ids, spoil } = await twoReleases();
    const cycle = async () =>
      JSON.parse(
        await printed((print) =>
          cycleCommand.run({ stream: undefined, json: true }, { config: config.path, logFormat: 'json', print }),
        ),
      );
    const { candidate, due } = await cycle();
    spoil(ids[0]);
    if (candidate) expect((await cycle()).candidate).toEqual(candidate);
    spoil(ids.at(-1));
    expect(await cycle()).not.toHaveProperty('candidate');
    const lines = await printed((print) =>
      cycleCommand.run({ stream: undefined, json: false }, { config: config.path, logFormat: 'json', print }),
    );
    if (due !== undefined) expect(lines).toContain(`not known, for the record of ${ids.at(-1)} is damaged`);
  });

  it('a build id is given out once, whatever its record looks like', async () => {
    const { config, ids, spoil } = await twoReleases();
    const last = ids.at(-1) ?? '';
    spoil(last);
    const day = new Date(`${last.slice(0, 4)}-${last.slice(4, 6)}-${last.slice(6, 8)}T03:00:00Z`);
    expect(await reserveBuildId(config.work, day, [])).toBe(`${last.slice(0, 8)}_02`);
  });

  it('nothing that a nightly build begins with is kept back by it', async () => {
    const { config, ids, spoil } = await twoReleases();
    const project = await openProject(config.path, 'nightly');
    writeFileSync(join(dirname(config.path), 'lab.repo'), '[lab]\nbaseurl=file:///nowhere\n');
    spoil(ids[1]);
    const { builds } = await surveyBuilds(config.work);
    expect(nextCommitTime(project, builds, 1_900_000_000)).toBe(1_900_000_000);
    await expect(retractedWith(config.work, 'nightly', 'none')).resolves.toBeUndefined();
    const { signal } = new AbortController();
    const known = { builds, published: [] };
    await expect(checkBuildClock(project, known, signal)).resolves.toEqual(known);
  });

  it('pruning keeps the images of a damaged build, and the RPM files that its lockfile names', async () => {
    const { config, ids, spoil } = await twoReleases();
    const project = await openProject(config.path, 'nightly');
    const cache = join(project.cacheDir, 'rpms');
    const rpm = (id = '') => join(cache, id, `bash-5.${id.slice(6, 8)}-1.el9.x86_64.rpm`);
    for (const id of ids) {
      mkdirSync(join(cache, id), { recursive: true });
      writeFileSync(rpm(id), '');
      mkdirSync(buildPaths(config.work, id, 'x86_64').images);
    }
    spoil(ids[1]);
    const few = { ...project, stream: { ...project.stream, retention: { ...project.stream.retention, builds: 2 } } };
    await prune(few, testTask(temporaryFolder()));
    expect([0, 1, 2, 11].map((at) => existsSync(rpm(ids[at])))).toEqual([false, true, false, true]);
    expect([0, 1, 2, 11].map((at) => existsSync(buildPaths(config.work, ids[at] ?? '', 'x86_64').images))).toEqual([
      false,
      true,
      false,
      true,
    ]);
    writeFileSync(buildPaths(config.work, ids[1] ?? '', 'x86_64').lockfile, '');
    mkdirSync(join(cache, ids[0] ?? ''), { recursive: true });
    writeFileSync(rpm(ids[0]), '');
    await prune(few, testTask(temporaryFolder()));
    expect(existsSync(rpm(ids[0]))).toBe(true);
  });
});

it.each(DAMAGE)('I15: a steps.json that is %s says nothing about the build', async (_, spoil) => {
  const { config, ids } = await makePageBuilds(temporaryFolder(), 2);
  const paths = buildPaths(config.work, ids[0] ?? '', 'x86_64');
  writeFileSync(paths.steps, '[{"step": "compose", "seconds": 2}]');
  expect((await readMeta(paths)).steps).toEqual([{ step: 'compose', seconds: 2 }]);
  const before = readFileSync(paths.meta, 'utf8');
  spoil(paths.steps);
  expect((await surveyBuilds(config.work)).damaged).toEqual([]);
  const { steps } = await readMeta(paths);
  expect(steps).toBeUndefined();
  await updateMeta(paths, {});
  expect(JSON.parse(readFileSync(paths.meta, 'utf8'))).toEqual(JSON.parse(before));
});
