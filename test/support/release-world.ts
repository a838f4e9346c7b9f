import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { BuildMeta } from '../../src/build/build-record.ts';
import { run } from '../../src/programs/exec.ts';
import { metaOf } from './build-meta.ts';
import type { TestKey } from './signing-key.ts';
import { makeWorld, pulled, records, type World, type WorldOptions } from './world.ts';

export const RELEASE_REF = 'mini/x86_64/release';

/** A world with signed packages and a release stream that publishes to a staging target below the published folder. */
export async function makeReleaseWorld(
  dir: string,
  options: WorldOptions & {
    /** Further keys of the release stream, as lines of the configuration without indentation. */
    readonly release?: readonly string[];
    /** Further targets, each a folder of that name below the published one. */
    readonly targets?: readonly string[];
  } = {},
): Promise<World> {
  const world = await makeWorld(dir, { signed: true, ...options });
  const targets = ['staging', ...(options.targets ?? [])];
  for (const name of targets) await mkdir(join(world.published, name));
  const lines = targets.map(
    (name) => `  ${name}: {type: directory, path: ${join(world.published, name)}, url: '${world.url}/${name}'}\n`,
  );
  const stream = [
    'promotes-from: nightly',
    `ref: ${RELEASE_REF}`,
    'seed: {allow-new: true}',
    'targets: [staging]',
    ...(options.release ?? []),
  ];
  const text = (await readFile(world.config, 'utf8')).replace('streams:\n', `${lines.join('')}streams:\n`);
  await writeFile(world.config, `${text}  release:\n${stream.map((line) => `    ${line}\n`).join('')}`);
  return world;
}

/** The record of a build. */
export async function recordOf(world: World, id: string): Promise<BuildMeta> {
  const found = (await records(world)).find((meta) => meta['buildid'] === id);
  if (!found) throw new Error(`there is no build ${id}`);
  return metaOf(found);
}

/** Runs a command with `--json`, which must succeed, and gives what it printed. */
export async function json<Result = Record<string, never>>(world: World, ...args: readonly string[]): Promise<Result> {
  const result = await world.nightly(...args, '--json');
  if (result.code !== 0) throw new Error(`${args.join(' ')} ended with ${result.code}:\n${result.stderr}`);
  return JSON.parse(result.stdout) as Result;
}

/** A night; gives its build id. */
export async function night(world: World): Promise<string> {
  return (await json<{ build: string }>(world, 'nightly')).build;
}

/** Commit that a fresh client gets of the release ref from staging. */
export async function pulledRelease(world: World, into: string): Promise<string> {
  return pulled({ url: `${world.url}/staging` }, into, { ref: RELEASE_REF });
}

/** Metadata of a published commit, as ostree prints it. */
export async function metadataOf(world: World, commit: string, key: string): Promise<string> {
  const repo = join(world.published, 'staging', 'repo');
  return (await run('ostree', [`--repo=${repo}`, 'show', `--print-metadata-key=${key}`, commit])).stdout.trim();
}

/** Keys of a release stream that tests, signs, and releases to the targets `mirror` and `cloud`. */
export function releasing(key: TestKey, more = ''): string[] {
  return [
    'images: [generic-cloud]',
    'smoke-test: {timeout: 60}',
    'approvals: 1',
    `signing: {type: gpg-agent, home: ${key.home}, key: ${key.key}}`,
    `release: {tree: [mirror], images: [cloud]${more}}`,
  ];
}
