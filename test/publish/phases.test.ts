import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { applyPublish } from '../../src/publish/apply.ts';
import { NO_LOG } from '../../src/publish/log/logged.ts';
import { writePlan } from '../../src/publish/plan-file.ts';
import { filePhase, planSize } from '../../src/publish/publish-phases.ts';
import { type PublishPlan, planPublish } from '../../src/publish/publish-plan.ts';
import { openTarget } from '../../src/targets/open-target.ts';
import { commitTestTree, makeRepo, TEST_REF, testTree } from '../support/ostree-repo.ts';
import { temporaryFolder, testTask } from '../support/tmp.ts';

const folder = (path: string) => openTarget({ type: 'directory', name: 'far', path, url: 'http://127.0.0.1:1' });

it('keeps a plan as JSON, whatever number of paths it has', async () => {
  const dir = temporaryFolder();
  const repo = await makeRepo(dir);
  const commit = await commitTestTree({ repo, tree: testTree(1500) });
  const target = folder(join(dir, 'far'));
  const plan = await planPublish({ repo, ref: TEST_REF, commit, target }, testTask(dir));
  expect(planSize(plan).files).toBeGreaterThan(1500);
  const phases = plan.phases.map((phase) => ({ ...phase, paths: [...phase.paths] }));
  for (const some of [plan, { ...plan, phases: [] }, { ...plan, phases: [filePhase('deltas', repo, [])] }]) {
    const file = join(dir, 'plans/far.json');
    await writePlan(file, some);
    const expected = some === plan ? { ...plan, phases } : { ...some };
    expect(JSON.parse(await readFile(file, 'utf8'))).toEqual(expected);
  }
});

it('sends what a phase has in parts that fit into memory, each file once', async () => {
  const dir = temporaryFolder();
  const repo = await makeRepo(dir);
  const length = 120_000;
  const paths = {
    length,
    *[Symbol.iterator]() {
      for (let index = 0; index < length; index += 1) yield `objects/${index}`;
    },
  };
  const plan: PublishPlan = {
    ...{ version: 2, target: 'far', ref: TEST_REF, to: '0'.repeat(64) },
    phases: [{ name: 'objects', paths, bytes: 0 }],
  };
  const parts: number[] = [];
  const sent = new Set<string>();
  const target = {
    ...folder(join(dir, 'far')),
    async send(root: string, some: readonly string[]) {
      expect(root).toBe(dir);
      parts.push(some.length);
      for (const path of some) sent.add(path);
      return { files: some.length, bytes: 0 };
    },
  };
  const task = testTask(dir);
  // Of course the commit is not there.
  await expect(applyPublish(plan, { repo, target, log: NO_LOG }, task)).rejects.toMatchObject({ code: 'ostree' });
  expect(Math.max(...parts)).toBeLessThanOrEqual(50_000);
  expect(parts.reduce((sum, part) => sum + part)).toBe(length + 3);
  expect(sent.size).toBe(length + 3);
  expect(sent).toContain('repo/objects/119999');
});
