import { existsSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { objectPath } from '../../../src/ostree/objects.ts';
import { deltaIndexPath, deltaPath } from '../../../src/ostree/static-deltas.ts';
import { run } from '../../../src/programs/exec.ts';
import { isSound, planLines, type ReconcilePlan } from '../../../src/publish/reconcile/reconcile-plan.ts';
import {
  applyReconcile,
  planReconcile,
  type ReconcileRequest,
  reconcileTarget,
} from '../../../src/publish/reconcile/reconcile-target.ts';
import { type Check, checkLines } from '../../../src/publish/verify/verify-report.ts';
import { inspectTarget } from '../../../src/publish/verify/verify-target.ts';
import { openTarget } from '../../../src/targets/open-target.ts';
import type { Target } from '../../../src/targets/target.ts';
import { everyCase } from '../../support/every-case.ts';
import { TEST_REF } from '../../support/ostree-repo.ts';
import { type PublishedTarget, publishedTarget, TESTED_REF } from '../../support/published-target.ts';
import {
  filesEnding,
  fsck,
  publishRepairs,
  replaceFile,
  restoreFolder,
  seededRandom,
} from '../../support/reconcile.ts';
import { startRsyncd } from '../../support/rsyncd.ts';
import { temporaryFolder } from '../../support/tmp.ts';

const requestFor = ({ repo, target }: PublishedTarget): ReconcileRequest => {
  return { repo, target, refs: [TEST_REF], streams: ['nightly'], signed: false, checksums: false };
};

async function repair(bed: PublishedTarget, change: Partial<ReconcileRequest> = {}): Promise<ReconcilePlan> {
  return reconcileTarget({ ...requestFor(bed), ...change }, publishRepairs(bed), bed.task);
}

/** As an outsider sees it, with every image digested. */
async function faultsOf(bed: PublishedTarget): Promise<string[]> {
  const checks: Check[] = [];
  const trust = { gpgKeys: [], signedSummary: false };
  const streams = [
    {
      name: 'nightly',
      ref: TEST_REF,
      testedRef: TESTED_REF,
      vagrantBox: 'none',
      use: { tree: true, builds: true, releases: false },
      trust,
    },
  ];
  const request = { url: bed.url, streams, imageContent: true, scratchDir: join(bed.work, 'scratch') };
  await inspectTarget(request, (check) => checks.push(check), bed.task);
  return checks.filter(({ ok }) => !ok).map(checkLines);
}

/** Deletes, truncates, overwrites; gives what was damaged. */
async function damage(bed: PublishedTarget): Promise<void> {
  const at = (path: string): string => join(bed.far, path);
  const random = seededRandom(7);
  const objects = await filesEnding(at('repo/objects'), '.filez');
  for (let count = 0; count < 5; count += 1) await rm(objects.splice(random(objects.length), 1)[0] ?? '');
  for (let count = 0; count < 3; count += 1) {
    const path = objects.splice(random(objects.length), 1)[0] ?? '';
    await replaceFile(path, (await readFile(path)).subarray(0, 5));
  }
  // ostree remembers what it found, and does not forget it when the objects are back.
  await expect(fsck(bed.far)).rejects.toThrow(/corrupt/);
  expect(await filesEnding(at('repo/state'), '.commitpartial')).not.toEqual([]);
  const [first = '', last = ''] = bed.builds.map(({ commit }) => commit);
  await rm(at('repo/summary'));
  await rm(at(`repo/refs/heads/${TEST_REF}`));
  await rm(at(`repo/${deltaPath(first, last)}`), { recursive: true });
  await rm(at(`repo/${deltaIndexPath(last)}`));
  await writeFile(at('builds/builds.json'), '{"builds": [');
  await rm(at('builds/20260101_01/x86_64/images'), { recursive: true });
  await replaceFile(at('builds/20260102_01/x86_64/meta.json'), '{');
  await writeFile(at('repo/objects/README'), 'of somebody else');
  await writeFile(at('builds/20260102_01/x86_64/notes.txt'), 'of somebody else');
}

async function expectRepaired(bed: PublishedTarget): Promise<ReconcilePlan> {
  const before = await planReconcile(requestFor(bed), bed.task);
  const index = await readFile(join(bed.far, 'builds/builds.json'), 'utf8');
  expect(index, 'a plan changes nothing').toBe('{"builds": [');
  const plan = await repair(bed);
  expect(plan).toEqual(before);
  expect(await filesEnding(join(bed.far, 'repo/state'), '.commitpartial')).toEqual([]);
  await fsck(bed.far);
  expect(await faultsOf(bed)).toEqual([]);
  expect(plan.foreign).toEqual(['repo/objects/README', 'builds/20260102_01/x86_64/notes.txt']);
  expect(plan.unrepairable).toEqual([]);
  for (const path of plan.foreign) expect(await readFile(join(bed.far, path), 'utf8')).toBe('of somebody else');
  const again = await planReconcile(requestFor(bed), bed.task);
  expect(isSound(again), planLines(again).join('\n')).toBe(true);
  return plan;
}

it('repairs a damaged directory target with one listing; foreign files stay and are reported', async () => {
  const bed = await publishedTarget(temporaryFolder());
  const listed: string[] = [];
  const [sent, reads]: [string[], number[]] = [[], []];
  const counted: Target = {
    ...bed.target,
    list: (folder, task) => {
      listed.push(folder);
      return bed.target.list(folder, task);
    },
    readMany: (paths, task) => {
      reads.push(paths.length);
      return bed.target.readMany(paths, task);
    },
    readWithLinks: (paths, folder, task) => {
      reads.push(paths.length);
      return bed.target.readWithLinks(paths, folder, task);
    },
    send: (root, paths, options, task) => {
      sent.push(...paths);
      return bed.target.send(root, paths, options, task);
    },
  };
  await damage(bed);
  await planReconcile({ ...requestFor(bed), target: counted }, bed.task);
  expect(listed).toEqual(['repo', 'builds']);
  expect(sent).toEqual([]);
  // Refs with the summary, the index with its signature, and the records of other machines' builds for a new one.
  expect(reads).toHaveLength(3);
  const plan = await expectRepaired(bed);
  const count = (name: string) =>
    plan.phases
      .find((phase) => phase.name === name)
      ?.files.map(({ why }) => why)
      .sort();
  expect(count('objects')).toEqual([...Array(5).fill('missing'), ...Array(3).fill('size')]);
  expect(count('delta indexes')).toEqual(['missing']);
  expect(count('images')).toEqual(['missing']);
  expect(plan.flips.map(({ ref }) => ref).sort()).toEqual([TEST_REF, TESTED_REF]);
  expect(planLines(plan)).toContain('leave alone repo/objects/README: not ours');
});

it.runIf(everyCase)('repairs a target behind an rsync daemon', async () => {
  const dir = temporaryFolder();
  const bed = await publishedTarget(dir, {
    open: async (far, url) => {
      const { destination, passwordFile } = await startRsyncd(join(dir, 'rsyncd'), far);
      return openTarget({ type: 'rsync', name: 'far', destination, ssh: {}, passwordFile, url });
    },
  });
  await damage(bed);
  await expectRepaired(bed);
});

it('repairs whatever is damaged, in any mixture', async () => {
  const dir = temporaryFolder();
  const bed = await publishedTarget(dir, { nights: 3 });
  const copy = join(dir, 'copy');
  await run('cp', ['-a', bed.far, copy]);
  const files = (await filesEnding(bed.far, '')).filter((path) => !/\/streams\/|\.lock$/.test(path));
  for (let seed = 1; seed <= 6; seed += 1) {
    const random = seededRandom(seed);
    const hurt: string[] = [];
    for (let count = 0; count < 12; count += 1) {
      // Every kind of file as often as the others, not as often as there are of it.
      const kinds = [
        '.filez',
        '.dirtree',
        '.dirmeta',
        '.commit',
        'deltas/',
        '.index',
        'refs/',
        'repo/summary',
        'config',
      ];
      const kind = [...kinds, '.json', '.qcow2', 'SHA256SUMS'][random(12)] ?? '';
      const chosen = files.filter((path) => path.includes(kind) && !hurt.includes(path));
      const path = chosen[random(chosen.length)];
      if (path === undefined) continue;
      hurt.push(path);
      if (random(2) === 0) await rm(path);
      else await replaceFile(path, (await readFile(path)).subarray(0, random(9)));
    }
    const foreign = join(bed.far, 'repo', `foreign-${seed}`);
    await writeFile(foreign, '');
    const plan = await repair(bed);
    const story = `seed ${seed}: ${hurt.join('\n')}\n${planLines(plan).join('\n')}`;
    expect(plan.unrepairable, story).toEqual([]);
    expect(plan.foreign, story).toEqual([`repo/foreign-${seed}`]);
    expect(await faultsOf(bed), story).toEqual([]);
    await fsck(bed.far);
    expect(existsSync(foreign)).toBe(true);
    for (const { commit } of bed.builds)
      expect(existsSync(join(bed.far, 'repo', objectPath(commit, 'commit'))), story).toBe(true);
    await restoreFolder(copy, bed.far);
  }
}, 240_000);

it('gives back a target that is lost as a whole', async () => {
  const bed = await publishedTarget(temporaryFolder());
  await rm(join(bed.far, 'repo'), { recursive: true });
  await rm(join(bed.far, 'builds'), { recursive: true });
  const plan = await repair(bed);
  const commit = bed.builds[1]?.commit;
  expect(plan.flips).toEqual([TESTED_REF, TEST_REF].map((ref) => ({ ref, commit, why: 'its file is not there' })));
  await fsck(bed.far);
  expect(await faultsOf(bed)).toEqual([]);
});

it('finds content of the right size that is wrong only with checksums, and replaces it', async () => {
  const bed = await publishedTarget(temporaryFolder());
  const [object = ''] = await filesEnding(join(bed.far, 'repo/objects'), '.filez');
  const bytes = await readFile(object);
  await replaceFile(
    object,
    bytes.map((byte, index) => (index === bytes.length - 1 ? byte ^ 1 : byte)),
  );
  const image = join(bed.far, 'builds/20260101_01/x86_64/images/disk-20260101_01.qcow2');
  await replaceFile(image, Buffer.alloc(20_000));
  expect(isSound(await planReconcile(requestFor(bed), bed.task))).toBe(true);
  const plan = await repair(bed, { checksums: true });
  const contents = plan.phases.flatMap(({ files }) =>
    files.filter(({ why }) => why === 'content').map(({ path }) => path),
  );
  expect(contents.map((path) => join(bed.far, path)).sort()).toEqual([image, object].sort());
  await fsck(bed.far);
  expect(await faultsOf(bed)).toEqual([]);
});

it('I1: names what cannot be repaired, and sends no damaged object and no commit without its objects', async () => {
  const bed = await publishedTarget(temporaryFolder());
  const { far, repo, builds } = bed;
  const last = builds[1]?.commit ?? '';
  const [object = ''] = await filesEnding(join(far, 'repo/objects'), '.filez');
  const path = object.slice(far.length + 1);
  await rm(object);
  await replaceFile(join(repo, '..', path), 'damaged here as well');
  await rm(join(far, 'repo', objectPath(last, 'commit')));
  await rm(join(far, `repo/refs/heads/${TEST_REF}`));
  const plan = await repair(bed);
  expect(plan.unrepairable.map(({ what }) => what)).toEqual([path.replace(/^repo\//, ''), `ref ${TEST_REF}`]);
  expect(plan.unrepairable[0]?.why).toContain('as well');
  expect(existsSync(object)).toBe(false);
  expect(existsSync(join(far, 'repo', objectPath(last, 'commit')))).toBe(false);
  expect(existsSync(join(far, `repo/refs/heads/${TEST_REF}`))).toBe(false);
  expect(planLines(plan).join('\n')).toMatch(/^cannot repair objects.* as well\. Pull the commit /m);
});

it('takes the later of two commits where ref and summary differ, and leaves refs of others alone', async () => {
  const bed = await publishedTarget(temporaryFolder());
  const { far, builds } = bed;
  const [first = '', last = ''] = builds.map(({ commit }) => commit);
  const ref = join(far, `repo/refs/heads/${TEST_REF}`);
  await writeFile(ref, `${first}\n`);
  expect((await repair(bed)).flips).toMatchObject([{ ref: TEST_REF, commit: last }]);
  expect(await readFile(ref, 'utf8')).toBe(`${last}\n`);
  const stranger = join(far, 'repo/refs/heads/stranger');
  await mkdir(join(far, 'other'));
  await writeFile(join(far, 'other/file'), 'x');
  const farRepo = `--repo=${join(far, 'repo')}`;
  await run('ostree', [farRepo, 'commit', '--branch=stranger', `--tree=dir=${join(far, 'other')}`]);
  const named = await readFile(stranger, 'utf8');
  const plan = await repair(bed);
  expect(plan.flips).toEqual([]);
  expect(plan.unrepairable.map(({ what }) => what)).toEqual(['ref stranger', `commit ${named.trim()}`]);
  expect(await readFile(stranger, 'utf8')).toBe(named);
});

it('a build that several machines made is repaired by one that has its whole record, and never taken back to an older one', async () => {
  const bed = await publishedTarget(temporaryFolder());
  const { far, work, builds } = bed;
  const id = builds.at(-1)?.id ?? '';
  const [here, there] = [work, far].map((root) => join(root, `builds/${id}/x86_64/meta.json`)) as [string, string];
  const stored = JSON.parse(await readFile(here, 'utf8'));
  const text = (more: object) => `${JSON.stringify({ ...stored, ...more }, null, 2)}\n`;
  const shared = text({ 'atomic-nightly.pending-images': [] });
  const at = (content: string | undefined, path: string) =>
    content === undefined ? rm(path) : replaceFile(path, content);
  const repaired = async (local: string, published: string | undefined) => {
    await replaceFile(here, local);
    await at(published, there);
    const plan = await repair(bed);
    return [
      plan.phases.flatMap(({ files }) => files.map(({ path }) => path)),
      await readFile(there, 'utf8').catch(() => ''),
    ];
  };
  const path = `builds/${id}/x86_64/meta.json`;
  expect(await repaired(shared, shared)).toEqual([[], shared]);
  expect(await repaired(shared, undefined)).toEqual([[path], shared]);
  expect(await repaired(shared, 'garbled')).toEqual([[path], shared]);
  // Another machine has made an image again since.
  const newer = text({ 'atomic-nightly.pending-images': [], later: true });
  expect(await repaired(shared, newer)).toEqual([[], newer]);
  // Here it is not known which images others have made.
  expect(await repaired(text({ 'atomic-nightly.pending-images': ['disk'] }), undefined)).toEqual([[], '']);
});

it('never brings back what a prune took: commits with a tombstone, images beyond their age', async () => {
  const bed = await publishedTarget(temporaryFolder(), { nights: 3 });
  const { far, builds } = bed;
  const first = builds[0]?.commit ?? '';
  const farRepo = `--repo=${join(far, 'repo')}`;
  await run('ostree', [farRepo, 'prune', `--delete-commit=${first}`]);
  expect(existsSync(join(far, 'repo', objectPath(first, 'commit').replace(/commit$/, 'tombstone-commit')))).toBe(true);
  const index = JSON.parse(await readFile(join(far, 'builds/builds.json'), 'utf8'));
  index.builds = index.builds.filter(({ id }: { id: string }) => id !== '20260101_01');
  await writeFile(join(far, 'builds/builds.json'), JSON.stringify(index));
  await rm(join(far, 'builds/20260102_01/x86_64/images'), { recursive: true });
  const plan = await planReconcile({ ...requestFor(bed), imagesSeconds: 86_400 }, bed.task);
  expect(planLines(plan)).toContain('nothing to repair');
  // Without that age the image counts as lost.
  const other = await planReconcile(requestFor(bed), bed.task);
  expect(other.phases.find(({ name }) => name === 'images')?.files).toHaveLength(1);
});

it('keeps away while somebody prunes, and stops when somebody has pruned meanwhile', async () => {
  const bed = await publishedTarget(temporaryFolder());
  const { far, builds } = bed;
  const put = (content: object) => writeFile(join(far, 'prune.json'), JSON.stringify(content));
  await put({ epoch: 1, deleting: { token: 't', host: 'h', pid: 7, since: '2026-01-01T00:00:00Z' } });
  await expect(planReconcile(requestFor(bed), bed.task)).rejects.toMatchObject({ code: 'locked' });
  await put({ epoch: 1 });
  await rm(join(far, 'repo', objectPath(builds[0]?.commit ?? '', 'commit')));
  const plan = await planReconcile(requestFor(bed), bed.task);
  await put({ epoch: 2 });
  const late = applyReconcile(plan, requestFor(bed), publishRepairs(bed), bed.task);
  await expect(late).rejects.toMatchObject({ code: 'target-moved' });
});
