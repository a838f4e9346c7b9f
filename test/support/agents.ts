import { copyFile, cp, mkdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { BuildMeta } from '../../src/build/build-record.ts';
import { metaOf } from './build-meta.ts';
import type { TestSshd } from './sshd.ts';
import { type CliResult, runCli, type World } from './world.ts';

/** A machine that has a world's configuration and an empty work folder, and nothing else of it. */
export interface Agent extends Pick<World, 'dir'> {
  nightly(...args: readonly string[]): Promise<CliResult>;
  /** Runs a command with `--json`, which must succeed, and gives what it printed. */
  json<Result>(...args: readonly string[]): Promise<Result>;
  recordOf(build: string): Promise<BuildMeta>;
}

/** @param path of programs, instead of this process's */
export async function makeAgent(world: World, dir: string, path?: string): Promise<Agent> {
  await mkdir(dir, { recursive: true });
  await copyFile(world.config, join(dir, basename(world.config)));
  await cp(join(world.dir, 'image-types'), join(dir, 'image-types'), { recursive: true });
  const nightly = (...args: readonly string[]) => runCli(dir, args, path === undefined ? {} : { PATH: path });
  return {
    dir,
    nightly,
    async json(...args) {
      const { code, stdout, stderr } = await nightly(...args, '--json');
      if (code !== 0) throw new Error(`${args.join(' ')} ended with ${code}:\n${stderr}`);
      return JSON.parse(stdout);
    },
    async recordOf(build) {
      return metaOf(JSON.parse(await readFile(join(dir, 'work/builds', build, 'x86_64/meta.json'), 'utf8')));
    },
  };
}

/** A target of type ssh for `makeWorld`: the published folder, reached as another machine would. */
export function overSsh({ identityFile, knownHostsFile, port }: TestSshd) {
  return (published: string, url: string): string => {
    const ssh = `{identity-file: ${identityFile}, known-hosts-file: ${knownHostsFile}, port: ${port}}`;
    return `{type: ssh, destination: 'root@127.0.0.1:${published}', ssh: ${ssh}, url: '${url}'}`;
  };
}
