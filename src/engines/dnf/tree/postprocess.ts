import { chmod, copyFile, mkdir, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { NightlyError } from '../../../base/errors.ts';
import { makeFolder } from '../../../base/files.ts';
import type { Task } from '../../../base/task.ts';
import { kindOf, readInTree } from '../../../base/tree-files.ts';
import { run } from '../../../programs/exec.ts';
import type { Treefile } from '../../../treefile/treefile.ts';
import type { KeyName } from '../../../treefile/treefile-keys.ts';
import { inTree } from '../namespace.ts';
import { at, entry } from './tree-paths.ts';

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
  const { postprocess = [], 'postprocess-script': script } = treefile.values;
  const dir = join(scratchDir, 'scripts');
  await rm(dir, { recursive: true, force: true });
  await makeFolder(dir);
  const mountPoint = 'usr/.atomic-nightly-scripts';
  const scripts: { readonly file: string; readonly name: string; readonly key: KeyName }[] = [];
  for (const [index, body] of postprocess.entries()) {
    const file = `postprocess-${index + 1}`;
    // Without a first line that says otherwise execvp(3) gives a script to the shell; the same here, said outright.
    await writeFile(join(dir, file), body.startsWith('#!') ? body : `#!/bin/sh\n${body}`);
    scripts.push({ file, name: file, key: 'postprocess' });
  }
  if (script !== undefined) {
    // Under a name of its own, whatever it is called.
    await copyFile(script, join(dir, 'postprocess-script'));
    scripts.push({ file: 'postprocess-script', name: basename(script), key: 'postprocess-script' });
  }
  if (scripts.length === 0) return;
  await rm(entry(root, mountPoint), { recursive: true, force: true });
  await mkdir(entry(root, mountPoint));
  try {
    for (const { file, name, key } of scripts) {
      const place = treefile.origins.get(key);
      await chmod(join(dir, file), 0o755);
      const why = await lacksInterpreter(root, join(dir, file));
      if (why !== undefined) {
        throw new NightlyError('compose', `The treefile's script ${name} cannot run: ${why}.`, { place });
      }
      task.say(`running ${name}`);
      const [command = '', ...args] = inTree(root, [`/${mountPoint}/${file}`], {
        timestamp,
        binds: [[dir, mountPoint]],
      });
      try {
        await run(command, args, { task });
      } catch (error) {
        if (!(error instanceof NightlyError) || error.code !== 'tool-failed') throw error;
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

/** Returns why the kernel would find no program to run a script with; its own words name the script. */
async function lacksInterpreter(root: string, script: string): Promise<string | undefined> {
  // The kernel reads as much as this (BINPRM_BUF_SIZE).
  const [line = ''] = ((await readInTree(script)) ?? '').slice(0, 256).split('\n');
  const interpreter = /^#![ \t]*([^ \t]+)/.exec(line)?.[1];
  if (interpreter === undefined) return undefined;
  if (line.endsWith('\r')) return 'its first line ends with a carriage return, as files from Windows do';
  return (await kindOf(at(root, interpreter))) === undefined ? `the tree has no ${interpreter}` : undefined;
}
