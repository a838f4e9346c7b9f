import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import { parsePrivateKey } from '../../src/log/note-keys.ts';
import { parseProof, verifyProof } from '../../src/log/proof-file.ts';
import { censusOf } from '../../src/publish/log/check-log.ts';
import { findUnlogged, type Unlogged } from '../../src/publish/log/find-unlogged.ts';
import { contentsOf } from '../../src/publish/log/log-contents.ts';
import { openLog, readLogHead } from '../../src/publish/log/log-files.ts';
import { openTarget } from '../../src/targets/open-target.ts';
import { VECTORS } from './log-files.ts';
import { testTask } from './tmp.ts';
import type { World } from './world.ts';

const keyFile = ({ dir }: World): string => join(dir, 'log.key');

/**
 * Has a world keep a log at its first target, and begins it; all other targets have copies.
 * @param more further keys of the block, as in a configuration
 * @returns the log's public key in its text form
 */
export async function keepLog(world: World, more = ''): Promise<string> {
  const text = await readFile(world.config, 'utf8');
  await writeFile(world.config, `${text}log: {home: buildlogs, key-file: ${keyFile(world)}${more}}\n`);
  const begun = await world.nightly('log', 'init');
  expect(begun, begun.stderr).toMatchObject({ code: 0 });
  return begun.stdout.trim().split('\n').at(-1) ?? '';
}

/**
 * Has a world keep a log whose gate can be shut: entries are logged then, but nobody cosigns them, and nothing may become visible.
 * @param more further keys of the block
 * @returns the log's public key; and what shuts and opens the gate
 */
export async function keepLogWithGate(
  world: World,
  more = '',
): Promise<{ readonly vkey: string; shut(): Promise<void>; open(): Promise<void> }> {
  const policy = join(world.dir, 'policy');
  const vkey = await keepLog(world, more);
  const text = await readFile(world.config, 'utf8');
  await writeFile(world.config, text.replace('log: {', `log: {policy: ${policy}, `));
  const write = (witnesses: string) => writeFile(policy, `log ${vkey}\n${witnesses}`);
  const open = () => write('quorum none\n');
  await open();
  // Its address is not known, so that nobody waits for it.
  return { vkey, open, shut: () => write(`witness nobody ${VECTORS.witnessVkey}\nquorum nobody\n`) };
}

/** Adds a target that is a folder beside the published one, with a copy of all that is published. */
export async function addMirror(world: World): Promise<string> {
  const mirror = join(world.published, 'mirror');
  await mkdir(mirror, { recursive: true });
  const text = await readFile(world.config, 'utf8');
  const line = `  mirror: {type: directory, path: ${mirror}, url: '${world.url}/mirror'}\n`;
  const both = text.replace('streams:\n', `${line}streams:\n`).replace('[buildlogs]', '[buildlogs, mirror]');
  await writeFile(world.config, both);
  return mirror;
}

/** What a published folder has that its own copy of the log does not say; the log is read as a whole. */
export async function unlogged(world: World, folder = world.published): Promise<readonly Unlogged[]> {
  const task = testTask(world.dir);
  const key = parsePrivateKey(await readFile(keyFile(world), 'utf8'), { file: 'log.key' });
  const target = openTarget({ type: 'directory', name: 'published', path: folder, url: world.url });
  const tree = await openLog(target, await readLogHead(target, { log: key }, task), task);
  expect((await censusOf(tree, task)).problems).toEqual([]);
  return findUnlogged(target, await contentsOf(tree), task);
}

/** Verifies a published proof as somebody without a network does; gives the entry that it proves. */
export async function provenEntry(world: World, path: string): Promise<Record<string, unknown>> {
  const key = parsePrivateKey(await readFile(keyFile(world), 'utf8'), { file: 'log.key' });
  const proof = parseProof(await readFile(join(world.published, path)), { file: path });
  const entry = proof.extra ?? Buffer.alloc(0);
  verifyProof(proof, entry, { log: key }, { file: path });
  return JSON.parse(entry.toString().split('\n')[1] ?? '');
}
