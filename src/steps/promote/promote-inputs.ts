import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { NightlyError } from '../../base/errors.ts';
import { ifThere, makeFolder } from '../../base/files.ts';
import type { Task } from '../../base/task.ts';
import { REPORT_FILE } from '../../build/build-files.ts';
import { findBuild } from '../../build/build-store.ts';
import type { Build } from '../../run/build.ts';
import type { FolderProject } from '../../run/project.ts';
import type { Night } from '../../run/promoted-night.ts';
import { INPUTS_FILE, readInputs } from '../compose/folder-inputs.ts';

/**
 * Makes sure that what a nightly build's tree was made from is still there as it was recorded: a rebuild of anything else
 * says nothing about that tree.
 * @returns the hash over these inputs
 * @throws NightlyError `verify` when they changed since.
 */
export async function promoteInputs(project: FolderProject, build: Build, night: Night, task: Task): Promise<string> {
  const { inputHash } = await readInputs(project, build, night.timestamp, task);
  if (inputHash === night.meta.rpmOstreeInputhash) return inputHash;
  throw new NightlyError(
    'verify',
    `What the tree of nightly build ${night.id} was made from changed since: it cannot be built again.`,
    {
      hint: `Leave out --rebuild to keep the tree of the nightly build, or bring back what inputs.txt in its folder names.`,
    },
  );
}

/** Takes over the records of a nightly build whose tree is kept as it is. */
export async function keepInputs({ config }: FolderProject, { paths }: Build, night: Night): Promise<undefined> {
  const { paths: from } = await findBuild(config.work, night.id);
  // That of a dry run is not there yet.
  await makeFolder(paths.dir);
  await copyFile(from.lockfile, paths.lockfile);
  await copyFile(from.treefile, paths.treefile);
  for (const name of [INPUTS_FILE, REPORT_FILE]) await ifThere(copyFile(join(from.dir, name), join(paths.dir, name)));
}
