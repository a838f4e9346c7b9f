import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type CliResult, runCli, type World } from './world.ts';

/** Somebody on another machine, with a folder and a key of their own and no configuration. */
export interface TestRebuilder {
  readonly name: string;
  readonly dir: string;
  /** URI in the statements. */
  readonly uri: string;
  readonly publicKey: KeyObject;
  /** Their public key in PEM. */
  readonly publicFile: string;
  /** The statement of a build, once there is one. */
  statement(id: string): string | undefined;
  /** Composes a build again, in a work folder that is kept. */
  rebuild(id: string, ...args: readonly string[]): Promise<CliResult>;
}

/** Makes somebody who rebuilds what a world publishes. @param url of the target; default: the world's first */
export async function makeRebuilder(
  world: Pick<World, 'url'>,
  dir: string,
  name: string,
  url = world.url,
): Promise<TestRebuilder> {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const own = join(dir, name);
  await mkdir(own);
  const publicFile = join(own, 'public.pem');
  await writeFile(join(own, 'key.pem'), privateKey.export({ format: 'pem', type: 'pkcs8' }), { mode: 0o600 });
  await writeFile(publicFile, publicKey.export({ format: 'pem', type: 'spki' }));
  const uri = `https://${name}.example/rebuilds`;
  return {
    ...{ name, dir: own, uri, publicKey, publicFile },
    statement(id) {
      const file = join(own, `rebuild-${id}-x86_64.intoto.jsonl`);
      return existsSync(file) ? file : undefined;
    },
    rebuild: (id, ...args) =>
      runCli(own, ['rebuild-compose', id, '--from', url, '--by', uri, '--key', 'key.pem', ...args]),
  };
}

/** The list `rebuilders` of a configuration. */
export function rebuildersBlock(rebuilders: readonly TestRebuilder[]): string {
  return `rebuilders:\n${rebuilders.map(({ name, publicFile }) => `  - {name: ${name}, key: ${publicFile}}\n`).join('')}`;
}
