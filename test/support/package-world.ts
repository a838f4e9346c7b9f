import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { onTestFinished } from 'vitest';
import { run } from '../../src/programs/exec.ts';
import { checkRpms } from '../../src/rpm/check-signatures.ts';
import { testTask } from './tmp.ts';
import { makeWorld, type World } from './world.ts';

/** The nightly's release package in tests. */
export const PACKAGE = 'mini-remote-nightly';

/** Where a world's nightly has its SIG repository. */
export const sigRepository = (world: World): string => join(world.dir, 'sig');

/** A world whose nightly has a release package and signs as said. */
export async function makePackageWorld(dir: string, signing: readonly string[]): Promise<World> {
  await mkdir(dir, { recursive: true });
  const block = `release-package: {name: ${PACKAGE}, version: '9', repository: ./sig}`;
  const world = await makeWorld(dir, { stream: [block, ...signing] });
  onTestFinished(() => world.stop());
  return world;
}

/** Has a world's treefile name packages of a second repository, in a treefile that it includes. */
export async function nameInTreefile(
  { distro }: World,
  repository: string,
  ...names: readonly string[]
): Promise<void> {
  await distro.writeTreefile({ repos: ['mini', 'sig'], include: 'sig.yaml' });
  const [folder, list] = [dirname(distro.treefile), names.map((name) => `  - ${name}\n`)];
  await writeFile(
    join(folder, 'sig.yaml'),
    `# Of the SIG.\npackages:${names.length === 0 ? ' []' : ''}\n${list.join('')}`,
  );
  await writeFile(join(folder, 'sig.repo'), `[sig]\nname=SIG\nbaseurl=file://${repository}\ngpgcheck=0\n`);
}

/** Changes a world's configuration. */
export async function reconfigure(world: World, change: (text: string) => string): Promise<void> {
  await writeFile(world.config, change(await readFile(world.config, 'utf8')));
}

/** What somebody who has that public key file alone finds of RPM files; empty when all is well. */
export async function rpmFaults(dir: string, key: string, ...files: readonly string[]): Promise<string[]> {
  const faults = await checkRpms(files, [await readFile(key)], join(dir, 'outsiders-keys'), testTask(dir));
  return faults.map(({ kind }) => kind);
}

/** A file of an RPM, as text. */
export async function fileIn(rpm: string, path: string): Promise<string> {
  return (await run('sh', ['-c', `rpm2cpio "${rpm}" | cpio --quiet -i --to-stdout ".${path}"`])).stdout;
}
