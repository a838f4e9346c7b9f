import { join } from 'node:path';
import { sha256, writeFileAtomic, writeJson } from '../../base/files.ts';
import type { Task } from '../../base/task.ts';
import { ownFolders } from '../../config/lookup.ts';
import type { FolderInputs, FolderRequest } from '../../engines/engine.ts';
import type { CommitInfo } from '../../ostree/objects.ts';
import { gitState } from '../../programs/git.ts';
import { writeLockfile } from '../../rpm/lockfile.ts';
import type { Build } from '../../run/build.ts';
import type { FolderProject } from '../../run/project.ts';
import type { Resolved } from './resolve.ts';

/** What the tree was made from, a line each: in the build's folder, for people. */
export const INPUTS_FILE = 'inputs.txt';

/** Finds out what a tree depends on that others make, and writes that into the build's records. */
export async function folderInputs(
  project: FolderProject,
  build: Build,
  parent: CommitInfo | undefined,
  task: Task,
): Promise<Resolved> {
  const inputs = await readInputs(project, build, build.timestamp, task);
  const checkout = await gitState(project.engine.source, ownFolders(project.config), task);
  const unchanged = parent?.inputHash === inputs.inputHash;
  return { inputHash: inputs.inputHash, unchanged, ...(checkout === undefined ? {} : { checkout }) };
}

/** Reads the inputs as they are now, and records them. @param timestamp SOURCE_DATE_EPOCH of what runs */
export async function readInputs(
  project: FolderProject,
  build: Build,
  timestamp: number,
  task: Task,
): Promise<FolderInputs> {
  const inputs = await project.engine.readInputs(folderRequest(project, build, timestamp), task);
  await recordInputs(project, build, inputs);
  return inputs;
}

/** Writes the records that each build has: no RPM is locked, and in the place of a treefile stands what the engine was asked for. */
async function recordInputs(
  { stream, ref }: FolderProject,
  { paths }: Build,
  { inputHash, lines }: FolderInputs,
): Promise<void> {
  const text = lines.map((line) => `${line}\n`).join('');
  await writeFileAtomic(join(paths.dir, INPUTS_FILE), text);
  await writeLockfile(paths.lockfile, { packages: {} });
  await writeJson(paths.treefile, {
    ref,
    engine: stream.engine.type,
    bootable: stream.bootable,
    inputs: { hash: inputHash, sha256: sha256(text), lines: lines.length },
  });
}

/** What an engine works with. A release stream shares the cache of its nightly stream. */
export function folderRequest({ config, stream }: FolderProject, { paths }: Build, timestamp: number): FolderRequest {
  return {
    cacheDir: join(config.work, 'cache', stream.release?.promotesFrom ?? stream.name),
    scratchDir: join(paths.scratch, 'compose'),
    bootable: stream.bootable,
    timestamp,
    signatures: stream.provenance.signatures,
  };
}
