import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { onTestFinished } from 'vitest';
import { sha256, writeJson } from '../../src/base/files.ts';
import type { Task } from '../../src/base/task.ts';
import { deltaIndexPath, deltaPath } from '../../src/ostree/static-deltas.ts';
import { run } from '../../src/programs/exec.ts';
import { applyPublish } from '../../src/publish/apply.ts';
import { NO_LOG } from '../../src/publish/log/logged.ts';
import { moveRef } from '../../src/publish/move-ref.ts';
import { publishFiles, updateRecord } from '../../src/publish/publish-files.ts';
import { planPublish } from '../../src/publish/publish-plan.ts';
import { BUILD_INDEX } from '../../src/published/build-index.ts';
import { TESTED_POINTER } from '../../src/published/stream-files.ts';
import { INDEX_PATH, withBuild } from '../../src/steps/deliver/publish-build.ts';
import { openTarget } from '../../src/targets/open-target.ts';
import type { Target } from '../../src/targets/target.ts';
import { serveFolder } from './nginx.ts';
import { commitTestTree, makeRepo, TEST_REF, TEST_TIME, testTree } from './ostree-repo.ts';
import { testTask } from './tmp.ts';

export const TESTED_REF = `${TEST_REF}-tested`;

/** A work folder and a target that has what it published: some nights with deltas, records and an image each. */
export interface PublishedTarget {
  readonly work: string;
  readonly repo: string;
  /** The folder that nginx serves at `url`. */
  readonly far: string;
  readonly url: string;
  readonly target: Target;
  readonly task: Task;
  /** Oldest first. */
  readonly builds: readonly { readonly id: string; readonly commit: string }[];
}

export interface PublishedOptions {
  readonly nights?: number;
  readonly files?: number;
  /** Default: a directory target. */
  readonly open?: (far: string, url: string) => Promise<Target>;
  /** Timestamp of the first night, in seconds. */
  readonly time?: number;
}

/** Makes and publishes it, below a folder that the caller removes; nginx ends with the test. */
export async function publishedTarget(dir: string, options: PublishedOptions = {}): Promise<PublishedTarget> {
  const { nights = 2, files = 60, time = TEST_TIME } = options;
  const [work, far] = [join(dir, 'work'), join(dir, 'far')];
  await mkdir(work);
  await mkdir(far);
  const repo = await makeRepo(work);
  const { url, stop } = await serveFolder({ root: far });
  onTestFinished(stop);
  const target = await (options.open?.(far, url) ??
    openTarget({ type: 'directory', name: 'buildlogs', path: far, url }));
  const task = testTask(dir);
  const builds: { id: string; commit: string }[] = [];
  for (let night = 0; night < nights; night += 1) {
    const id = `2026010${night + 1}_01`;
    const parent = builds.at(-1)?.commit;
    const commit = await commitTestTree({
      repo,
      tree: { ...testTree(files), 'usr/d1/changed': `night ${night}`, [`usr/d2/night-${night}`]: 'new' },
      version: id,
      timestamp: time + night,
      args: [`--bind-ref=${TESTED_REF}`],
      ...(parent === undefined ? {} : { parent }),
    });
    await publishNight({ work, repo, target, task }, { id, commit, ...(parent === undefined ? {} : { parent }) });
    builds.push({ id, commit });
  }
  await run('ostree', [`--repo=${repo}`, 'refs', '--force', `--create=${TEST_REF}`, builds.at(-1)?.commit ?? '']);
  return { work, repo, far, url, target, task, builds };
}

type Place = Pick<PublishedTarget, 'work' | 'repo' | 'target' | 'task'>;

/** Publishes a commit with its delta, its records and an image, as a nightly with a passed smoke test does. */
async function publishNight(
  { work, repo, target, task }: Place,
  { id, commit, parent }: { readonly id: string; readonly commit: string; readonly parent?: string },
): Promise<void> {
  await applyPublish(
    await planPublish({ repo, ref: TEST_REF, commit, target }, task),
    { repo, target, log: NO_LOG },
    task,
  );
  const start = parent === undefined ? '--empty' : `--from=${parent}`;
  await run('ostree', [`--repo=${repo}`, 'static-delta', 'generate', start, `--to=${commit}`]);
  await run('ostree', [`--repo=${repo}`, 'static-delta', 'reindex', `--to=${commit}`]);
  const delta = deltaPath(parent, commit);
  const parts = (await readdir(join(repo, delta))).map((name) => `repo/${delta}/${name}`);
  await target.send(work, parts, { immutable: true }, task);
  await target.send(work, [`repo/${deltaIndexPath(commit)}`], { immutable: false }, task);
  const fixed = await writeRecords(work, target, { id, commit });
  const folder = `builds/${id}/x86_64`;
  const records = ['SHA256SUMS', 'meta.json'].map((name) => `${folder}/${name}`);
  await publishFiles(work, { fixed, records }, target, task);
  await updateRecord(
    { path: INDEX_PATH, format: BUILD_INDEX },
    (index) => withBuild(index, id, 'x86_64'),
    target,
    task,
  );
  await moveRef({ log: NO_LOG, repo, ref: TESTED_REF, commit, target }, task);
  const pointer = { stream: 'nightly', arches: { x86_64: { build: id, commit, ref: TESTED_REF } } };
  await updateRecord({ path: 'streams/nightly/tested.json', format: TESTED_POINTER }, () => pointer, target, task);
}

/** @returns the files that never change, relative to the work folder. */
async function writeRecords(
  work: string,
  target: Target,
  { id, commit }: { readonly id: string; readonly commit: string },
): Promise<string[]> {
  const folder = `builds/${id}/x86_64`;
  const image = Buffer.alloc(20_000, id);
  const files = new Map<string, Uint8Array>([
    ['lockfile.json', Buffer.from(JSON.stringify({ id }))],
    ['diff.json', Buffer.from('{}')],
    [`images/disk-${id}.qcow2`, image],
  ]);
  for (const [path, content] of files) {
    await mkdir(dirname(join(work, folder, path)), { recursive: true });
    await writeFile(join(work, folder, path), content);
  }
  const sums = [...files].map(([path, content]) => `${sha256(content)}  ${path}\n`);
  await writeFile(join(work, folder, 'SHA256SUMS'), sums.join(''));
  await writeJson(join(work, folder, 'meta.json'), {
    name: 'mini',
    buildid: id,
    'coreos-assembler.basearch': 'x86_64',
    ref: TEST_REF,
    'ostree-commit': commit,
    'ostree-version': id,
    'ostree-timestamp': new Date(TEST_TIME * 1000).toISOString(),
    'atomic-nightly.stream': 'nightly',
    'atomic-nightly.state': 'complete',
    'atomic-nightly.published': [target.name],
    images: { disk: { path: `images/disk-${id}.qcow2`, sha256: sha256(image), size: image.length } },
  });
  return [...files.keys()].map((path) => `${folder}/${path}`);
}
