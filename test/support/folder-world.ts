import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { serveFolder } from './nginx.ts';
import { type CliResult, runCli } from './world.ts';

/** A configuration whose stream commits a folder, and a server in front of what it publishes. */
export interface FolderWorld {
  readonly dir: string;
  readonly published: string;
  readonly url: string;
  readonly config: string;
  /** Writes the configuration with another engine, and further lines of the stream. */
  configure(engine: string, stream?: readonly string[], more?: readonly string[]): Promise<void>;
  nightly(...args: readonly string[]): Promise<CliResult>;
  stop(): Promise<void>;
}

/** Makes a world in a folder that the caller removes. @param engine as written in the configuration */
export async function makeFolderWorld(dir: string, engine: string): Promise<FolderWorld> {
  const published = join(dir, 'published');
  await mkdir(published, { recursive: true });
  const server = await serveFolder({ root: published });
  const config = join(dir, 'atomic-nightly.yaml');
  const world: FolderWorld = {
    ...{ dir, published, config },
    url: server.url,
    async configure(kind, stream = [], more = []) {
      const lines = [
        'name: mini',
        'work: ./work',
        `targets: {buildlogs: {type: directory, path: ${published}, url: '${server.url}'}}`,
        'streams:',
        '  nightly:',
        '    ref: mini/x86_64/nightly',
        `    engine: ${kind}`,
        '    seed: {allow-new: true}',
        '    targets: [buildlogs]',
        ...stream.map((line) => `    ${line}`),
        ...more,
      ];
      await writeFile(config, `${lines.join('\n')}\n`);
    },
    nightly: (...args) => runCli(dir, args),
    stop: () => server.stop(),
  };
  await world.configure(engine);
  return world;
}

/** Fills a folder with a small tree. */
export async function smallTree(root: string): Promise<void> {
  for (const folder of ['usr/bin', 'usr/lib', 'etc', 'var/lib/app'])
    await mkdir(join(root, folder), { recursive: true });
  await writeFile(join(root, 'usr/bin/app'), '#!/bin/sh\necho 1\n', { mode: 0o755 });
  await writeFile(join(root, 'usr/lib/os-release'), 'ID=mini\n');
  await writeFile(join(root, 'etc/app.conf'), 'colour = blue\n');
}
