import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { PruneDecision } from '../../src/publish/prune/decide.ts';
import { planBuilds } from '../../src/publish/prune/prune-builds.ts';
import { compareBuilds } from '../../src/publish/reconcile/reconcile-builds.ts';
import { INDEX_PATH } from '../../src/published/build-index.ts';
import { publishedBuildIds } from '../../src/steps/deliver/publish-build.ts';
import { type Bed, KINDS } from '../support/target-beds.ts';
import { testTask } from '../support/tmp.ts';

const SHA = 'ab'.repeat(32);
const ESC = '\u001b[2J\u202e';

/** Indexes that somebody who may write to a target leaves there: each names what is no build. */
const INDEXES = [
  '{"id": "../../guard", "arches": ["x86_64"]}',
  '{"id": "/etc", "arches": ["x86_64"]}',
  '{"id": "20260101_01/../../guard", "arches": ["x86_64"]}',
  '{"id": "20260101_01\\n", "arches": ["x86_64"]}',
  '{"id": "__proto__", "arches": ["x86_64"]}',
  '{"id": 20260101, "arches": ["x86_64"]}',
  '{"id": "20260101_01", "arches": ["../../guard"]}',
  '{"id": "20260101_01", "arches": ["__proto__"]}',
  `{"id": "20260101_01", "arches": [${JSON.stringify(ESC)}]}`,
  '{"id": "20260101_01", "arches": [1]}',
  '{"id": "20260101_01", "arches": "x86_64"}',
  '{"id": "20260101_01"}, null',
].map((build) => `{"schema-version": "1.0.0", "timestamp": "2026-01-01T00:00:00Z", "builds": [${build}]}`);

/** Values of `images` and of other keys in a record that is old enough for its images to go. */
const META = [
  '"images": {"x": {"path": "../../../guard/file", "size": 1}}',
  '"images": {"x": {"path": "/etc/hostname", "size": 1}}',
  '"images": {"x": {"path": "images/../../../../guard/file", "size": 1}}',
  '"images": {"x": {"path": "images/a\\nb", "size": 1}}',
  `"images": {"x": {"path": ${JSON.stringify(`images/${ESC}`)}, "size": 1}}`,
  '"images": {"x": {"path": 7, "size": 1}}',
  '"images": {"x": {"path": "meta.json", "size": 1}}',
  '"images": {"x": {"path": "images/x", "size": "1"}}',
  '"images": {"__proto__": {"path": "../../../guard/file", "size": 1}}',
  '"images": {"../../guard": {"path": "images/x", "size": 1}}',
  '"images": [{"path": "../../../guard/file", "size": 1}]',
  '"buildid": "../../guard"',
  '"buildid": "20260301_01"',
  '"__proto__": {"images": {"x": {"path": "../../../guard/file", "size": 1}}}, "ostree-commit": "../../guard"',
  '"ostree-timestamp": 0',
].map((rest) => `{"ostree-timestamp": "2026-01-01T00:00:00Z", ${rest}}`);

const DECISION: PruneDecision = {
  state: { refs: new Map(), promoted: {}, retired: { commits: {}, apart: {}, builds: {} }, linkedBuilds: new Set() },
  ...{ histories: [], kept: new Map(), stays: new Map(), waits: new Map(), goes: new Map() },
  marked: { commits: {}, apart: {}, builds: {} },
  removed: { commits: {}, apart: {}, builds: {} },
};

/** A target with a guard beside its root and beside the work folder. */
async function guarded(open: () => Promise<Bed>) {
  const bed = await open();
  const { dir, source: work, target } = bed;
  await mkdir(join(dir, 'guard'));
  await writeFile(join(dir, 'guard/file'), 'untouched');
  const task = testTask(join(dir, 'logs'));
  const put = (files: Readonly<Record<string, string>>) =>
    target.swap(
      { expect: [], put: Object.entries(files).map(([path, text]) => ({ path, content: Buffer.from(text) })) },
      task,
    );
  const prune = () =>
    planBuilds(
      { target, retention: { refs: [], graceSeconds: 1, imagesSeconds: 1, logsSeconds: 1 }, now: 1_800_000_000 },
      DECISION,
      task,
    );
  const compare = () => compareBuilds({ work, target, hasCommit: () => true }, task);
  const end = async () => {
    expect(await readdir(join(dir, 'guard'))).toEqual(['file']);
    expect(await readFile(join(dir, 'guard/file'), 'utf8')).toBe('untouched');
  };
  return { put, prune, compare, end, ids: () => publishedBuildIds(target, task) };
}

describe.each(KINDS)('I12: on a target of type %s', (kind, open) => {
  // The readers are the same whatever the target: all of these are tried where it takes no time.
  const some = <Value>(all: readonly Value[]) => all.slice(0, kind === 'directory' ? all.length : 3);

  it('an index that names what is no build is no index: nothing is decided by it, and a repair makes it anew', async () => {
    const { put, prune, compare, end, ids } = await guarded(open);
    for (const index of some(INDEXES)) {
      await put({ [INDEX_PATH]: index });
      const refused = { code: 'unsupported', message: expect.stringContaining(`${INDEX_PATH} on target`) };
      await expect(ids(), index).rejects.toMatchObject(refused);
      await expect(prune(), index).rejects.toMatchObject(refused);
      expect(await compare(), index).toMatchObject({ index: [], remove: [INDEX_PATH], phases: [{}, {}, {}] });
    }
    await end();
  });

  it('of a build whose record names what is outside of its folder nothing is removed, and no index names it', async () => {
    const { put, prune, compare, end } = await guarded(open);
    const metas = some(META);
    const ids = metas.map((_, index) => `202601${String(index + 1).padStart(2, '0')}_01`);
    const good = `{"buildid": "20260201_01", "ostree-timestamp": "2026-01-01T00:00:00Z", "ostree-commit": "${SHA}",
      "images": {"x": {"path": "images/x", "size": 5}}}`;
    const builds = [...ids, '20260201_01'].map((id) => ({ id, arches: ['x86_64'] }));
    await put({
      [INDEX_PATH]: JSON.stringify({ 'schema-version': '1.0.0', builds, timestamp: '2026-01-01T00:00:00Z' }),
      ...Object.fromEntries(ids.map((id, at) => [`builds/${id}/x86_64/meta.json`, metas[at] ?? ''])),
      'builds/20260201_01/x86_64/meta.json': good,
    });
    const plan = await prune();
    expect(plan.files.map(({ path }) => path)).toEqual(['builds/20260201_01/x86_64/images/x']);
    expect(plan.boxes).toEqual(['20260201_01']);
    await put({ [INDEX_PATH]: '' });
    expect((await compare()).index).toEqual([{ id: '20260201_01', arch: 'x86_64' }]);
    await end();
  });
});
