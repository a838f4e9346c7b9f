import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import pLimit from 'p-limit';
import { writeJson } from '../../src/base/files.ts';
import { run } from '../../src/programs/exec.ts';
import { makeRepo, TEST_REF, TEST_TIME } from './ostree-repo.ts';

/** An archive repository with two commits, the second of which changes some files of the first. */
export interface BenchRepo {
  /** Holds `repo/`. */
  readonly near: string;
  readonly repo: string;
  /** The commit published before, and the one to publish. */
  readonly base: string;
  readonly next: string;
}

/** As in an operating system's tree, about nine files to a folder. */
const FILES_IN_FOLDER = 9;
const CHANGED_FILES = 1500;
/** Changed files lie together: an update replaces whole packages. */
const CHANGED_IN_FOLDER = 3;
/** Content that does not compress, of up to as many bytes. */
const LARGEST = 3600;

/** Makes the repository in a folder, or takes the one that an earlier call made there for as many objects. */
export async function benchRepo(dir: string, objects: number): Promise<BenchRepo> {
  const near = join(dir, `near-${objects}`);
  const repo = join(near, 'repo');
  const done = join(near, 'commits.json');
  if (existsSync(done)) return { near, repo, ...JSON.parse(await readFile(done, 'utf8')) };
  await rm(near, { recursive: true, force: true });
  const tree = join(near, 'tree');
  await mkdir(near, { recursive: true });
  await makeRepo(near);
  await run('ostree', [`--repo=${repo}`, 'config', 'set', 'core.fsync', 'false']);
  const folders = Math.round(objects / (FILES_IN_FOLDER + 1));
  await each(folders, async (folder) => {
    await mkdir(folderPath(tree, folder), { recursive: true });
    for (let file = 0; file < FILES_IN_FOLDER; file += 1) await fill(join(folderPath(tree, folder), `f${file}`));
  });
  const base = await commit(repo, tree, 'none', TEST_TIME);
  const changed = CHANGED_FILES / CHANGED_IN_FOLDER;
  await each(changed, async (index) => {
    const folder = folderPath(tree, Math.floor((index * folders) / changed));
    for (let file = 0; file < CHANGED_IN_FOLDER; file += 1) await fill(join(folder, `f${file}`));
  });
  const next = await commit(repo, tree, base, TEST_TIME + 86_400);
  await run('ostree', [`--repo=${repo}`, 'summary', '--update']);
  await rm(tree, { recursive: true });
  await writeJson(done, { base, next });
  return { near, repo, base, next };
}

const each = (count: number, work: (index: number) => Promise<void>) =>
  pLimit(16).map(
    Array.from({ length: count }, (_, index) => index),
    work,
  );

/** Three levels, some tens of folders each. */
function folderPath(tree: string, index: number): string {
  return join(tree, `usr/a${index % 20}/b${Math.floor(index / 20) % 20}/c${Math.floor(index / 400)}`);
}

async function fill(path: string): Promise<void> {
  const content = randomBytes(100 + Math.floor(Math.random() * (LARGEST - 100)));
  // The old content may be linked into the repository.
  await writeFile(`${path}.new`, content);
  await rename(`${path}.new`, path);
}

async function commit(repo: string, tree: string, parent: string, time: number): Promise<string> {
  const args = ['commit', `--branch=${TEST_REF}`, `--tree=dir=${tree}`, `--parent=${parent}`, `--timestamp=@${time}`];
  return (await run('ostree', [`--repo=${repo}`, ...args, '--canonical-permissions'])).stdout.trim();
}
