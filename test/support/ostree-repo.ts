import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { run } from '../../src/programs/exec.ts';

/** Relative path to content. */
export type TestTree = Readonly<Record<string, string>>;

export interface TestCommit {
  readonly repo: string;
  readonly tree: TestTree;
  readonly ref?: string;
  readonly parent?: string;
  /** Seconds since the epoch. */
  readonly timestamp?: number;
  readonly version?: string;
  /** In GVariant text format. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** Further arguments. */
  readonly args?: readonly string[];
}

export const TEST_REF = 'test/x86_64/nightly';
/** 2026-01-01 */
export const TEST_TIME = 1_767_225_600;

let trees = 0;

/** An empty archive repository named `repo` below a folder. */
export async function makeRepo(dir: string): Promise<string> {
  const repo = join(dir, 'repo');
  await run('ostree', [`--repo=${repo}`, 'init', '--mode=archive']);
  return repo;
}

/** Commits a small tree without moving a ref, bound to `ref`. @returns the commit's checksum. */
export async function commitTestTree(commit: TestCommit): Promise<string> {
  trees += 1;
  const folder = join(dirname(commit.repo), `tree-${trees}`);
  await mkdir(folder, { recursive: true });
  for (const [path, content] of Object.entries(commit.tree)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), content);
  }
  const { stdout } = await run('ostree', [
    `--repo=${commit.repo}`,
    'commit',
    '--orphan',
    '--canonical-permissions',
    `--bind-ref=${commit.ref ?? TEST_REF}`,
    `--tree=dir=${folder}`,
    `--parent=${commit.parent ?? 'none'}`,
    `--timestamp=@${commit.timestamp ?? TEST_TIME}`,
    '--subject=a test',
    ...(commit.version === undefined ? [] : [`--add-metadata-string=version=${commit.version}`]),
    ...Object.entries(commit.metadata ?? {}).map(([key, value]) => `--add-metadata=${key}=${value}`),
    ...(commit.args ?? []),
  ]);
  return stdout.trim();
}

/** A fresh client's repository with the remote `origin` at that URL. */
export async function makeClient(dir: string, url: string): Promise<string> {
  await run('ostree', [`--repo=${dir}`, 'init', '--mode=bare-user']);
  await run('ostree', [`--repo=${dir}`, 'remote', 'add', '--no-gpg-verify', 'origin', url]);
  return dir;
}

/** Files of many small contents; equal arguments give equal trees. */
export function testTree(files: number, folders = 5, mark = ''): Record<string, string> {
  return Object.fromEntries(
    Array.from({ length: files }, (_, n) => [`usr/d${n % folders}/e${n % 3}/f${n}`, `content ${n} ${mark}\n`]),
  );
}
