import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../../src/programs/exec.ts';
import { MINI_TREEFILE, type MiniDistro, makeMiniDistro } from './mini-distro.ts';
import type { MiniRecipe } from './mini-rpm.ts';
import { serveFolder } from './nginx.ts';

/** The built program, as people run it; test/support/global-setup.ts sees to it that it is up to date. */
export const program = new URL('../../bin/atomic-nightly.js', import.meta.url).pathname;

/** A mini distribution, a configuration that publishes it to a folder, and nginx in front of that folder. */
export interface World {
  readonly dir: string;
  readonly distro: MiniDistro;
  readonly published: string;
  readonly url: string;
  readonly config: string;
  /** Runs the program in the world's folder, as a person would. */
  nightly(...args: readonly string[]): Promise<CliResult>;
  stop(): Promise<void>;
}

export interface CliResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface WorldOptions {
  readonly signed?: boolean;
  readonly images?: readonly string[];
  /** As written in the configuration. */
  readonly smokeTest?: string;
  /** The `buildlogs` target as written in the configuration, given the published folder and its URL. */
  readonly target?: (published: string, url: string) => string;
  /** Further keys of the stream, as lines of the configuration without indentation. */
  readonly stream?: readonly string[];
}

/** What makes a tree bootable: the program that writes its boot menu. The mini kernel is never booted. */
export const GRUB_CONFIG: MiniRecipe = {
  name: 'grub-config',
  version: '1',
  release: '1',
  requires: ['filesystem'],
  files: [{ path: '/usr/sbin/grub-mkconfig', text: '#!/bin/sh\n', mode: '0755' }],
};

/** Makes a world in a folder that the caller removes. */
export async function makeWorld(dir: string, options: WorldOptions = {}): Promise<World> {
  const distro = await makeMiniDistro(join(dir, 'distro'), { signed: options.signed ?? false });
  if (options.images) {
    await smallImages(join(dir, 'image-types'), options.images);
    await distro.publish(GRUB_CONFIG);
    await distro.writeTreefile({ packages: [...(MINI_TREEFILE['packages'] as string[]), GRUB_CONFIG.name] });
  }
  const published = join(dir, 'published');
  await mkdir(published);
  const server = await serveFolder({ root: published });
  const world: World = {
    dir,
    distro,
    published,
    url: server.url,
    config: join(dir, 'atomic-nightly.yaml'),
    nightly: (...args) => runCli(dir, args),
    stop: () => server.stop(),
  };
  await writeFile(world.config, configText(world, options));
  return world;
}

function configText(
  { distro, published, url }: World,
  { images = [], smokeTest = 'false', target = directory, stream = [] }: WorldOptions,
): string {
  return `name: mini
work: ./work
engine: dnf
${images.length > 0 ? 'image-templates: ./image-types\n' : ''}targets:
  buildlogs: ${target(published, url)}
streams:
  nightly:
    treefile: ${distro.treefile}
    seed: {allow-new: true}
    targets: [buildlogs]
    images: [${images.join(', ')}]
    smoke-test: ${smokeTest}
${stream.map((line) => `    ${line}\n`).join('')}`;
}

/** The shipped image types on disks of 1 GiB, to be quick; the mini tree has no sshd to configure. */
async function smallImages(folder: string, types: readonly string[]): Promise<void> {
  for (const type of types) {
    await mkdir(join(folder, type), { recursive: true });
    const disk = type === 'iso' ? '' : 'disk: {size: 1 GiB, boot: 128 MiB}\nfiles: []\n';
    await writeFile(join(folder, type, 'image.yaml'), `extends: ${type}\n${disk}`);
  }
}

const directory = (published: string, url: string) => `{type: directory, path: ${published}, url: '${url}'}`;

/** Runs the program; standard output and error as text. */
export function runCli(
  cwd: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<CliResult> {
  const child = startCli(cwd, args, env);
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk) => {
    stdout += chunk;
  });
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, stdout, stderr })));
}

/** Starts the program as the leader of its own process group. */
export function startCli(cwd: string, args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  return spawn(process.execPath, [program, ...args], {
    cwd,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  });
}

/** The records of a world's builds by id, oldest first. */
export async function records(world: Pick<World, 'dir'>): Promise<Record<string, string | undefined>[]> {
  const builds = join(world.dir, 'work', 'builds');
  const ids = existsSync(builds) ? (await readdir(builds)).sort() : [];
  return ids.map((id) => JSON.parse(readFileSync(join(builds, id, 'x86_64', 'meta.json'), 'utf8')));
}

export interface PullOptions {
  /** File with the one public key that is trusted: then nothing is believed that it did not sign, neither commit nor summary. */
  readonly key?: string;
  /** Default: that of the nightlies. */
  readonly ref?: string;
  /** For `ostree pull`. */
  readonly options?: readonly string[];
}

/**
 * Commit that a fresh client gets from a public URL, every object checked.
 * @param into folder of its repository
 */
export async function pulled({ url }: Pick<World, 'url'>, into: string, how: PullOptions = {}): Promise<string> {
  const { key, ref = 'mini/x86_64/nightly', options = [] } = how;
  const ostree = (...args: string[]) => run('ostree', [`--repo=${into}`, ...args]);
  await ostree('init', '--mode=bare-user');
  const trust = key === undefined ? ['--no-gpg-verify'] : [`--gpg-import=${key}`, '--set=gpg-verify-summary=true'];
  await ostree('remote', 'add', ...trust, 'origin', `${url}/repo`);
  await ostree('pull', ...options, 'origin', ref);
  await ostree('fsck', '--quiet');
  return (await ostree('rev-parse', `origin:${ref}`)).stdout.trim();
}

/** Puts a copy of a world's work folder and published tree back, as they were. */
export async function restore(world: World, snapshot: string): Promise<void> {
  await run('rm', ['-rf', join(world.dir, 'work')]);
  await run('find', [world.published, '-mindepth', '1', '-delete']);
  await run('cp', ['-a', join(snapshot, 'work'), join(world.dir, 'work')]);
  await run('cp', ['-a', `${snapshot}/published/.`, world.published]);
}

/** Keeps a copy of a world's work folder and published tree. */
export async function snapshot(world: World, into: string): Promise<void> {
  await mkdir(into, { recursive: true });
  await run('cp', ['-a', join(world.dir, 'work'), join(into, 'work')]);
  await run('cp', ['-a', world.published, join(into, 'published')]);
}

/** The journal of a build, parsed. */
export async function journal(world: World, id: string): Promise<{ event: string; step: string }[]> {
  const text = await readFile(join(world.dir, 'work', 'builds', id, 'x86_64', 'journal.ndjson'), 'utf8');
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
}
