import { chmod, copyFile, mkdir, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { NightlyError } from '../../../base/errors.ts';
import type { Task } from '../../../base/task.ts';
import { run } from '../../../programs/exec.ts';
import type { Treefile } from '../../../treefile/treefile.ts';
import type { KeyName } from '../../../treefile/treefile-keys.ts';
import { inTree } from '../namespace.ts';
import { entry } from './tree-paths.ts';

/** Runs the inline scripts, then the script file, chrooted into the tree, without network. */
export async function runScripts(
  request: {
    readonly root: string;
    readonly treefile: Treefile;
    readonly timestamp: number;
    readonly scratchDir: string;
  },
  task: Task,
): Promise<void> {
  const { root, treefile, timestamp, scratchDir } = request;
  const { postprocess = [], 'postprocess-script': file } = treefile.values;
  const dir = join(scratchDir, 'scripts');
  await rm(dir, { recursive: true, force: true });
  await mkdir(dir, { recursive: true });
  const mountPoint = 'usr/.atomic-nightly-scripts';
  const names: [string, KeyName][] = [];
  for (const [index, body] of postprocess.entries()) {
    const name = `postprocess-${index + 1}`;
    // Without a first line that says otherwise execvp(3) gives a script to the shell; the same here, said outright.
    await writeFile(join(dir, name), body.startsWith('#!') ? body : `#!/bin/sh\n${body}`);
    names.push([name, 'postprocess']);
  }
  if (file !== undefined) {
    await copyFile(file, join(dir, basename(file)));
    names.push([basename(file), 'postprocess-script']);
  }
  if (names.length === 0) return;
  await rm(entry(root, mountPoint), { recursive: true, force: true });
  await mkdir(entry(root, mountPoint));
  try {
    for (const [name, key] of names) {
      await chmod(join(dir, name), 0o755);
      task.say(`running ${name}`);
      const [command = '', ...args] = inTree(root, [`/${mountPoint}/${name}`], {
        timestamp,
        binds: [[dir, mountPoint]],
      });
      try {
        await run(command, args, { task });
      } catch (error) {
        if (!(error instanceof NightlyError) || error.code !== 'tool-failed') throw error;
        const place = treefile.origins.get(key);
        throw new NightlyError('compose', `The treefile's script ${name} failed:\n${error.message}`, {
          hint: 'What it printed is in the step log.',
          cause: error,
          log: task.logFile,
          place,
        });
      }
    }
  } finally {
    await rm(entry(root, mountPoint), { recursive: true, force: true });
  }
}
