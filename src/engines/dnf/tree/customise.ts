import { chmod, chown, copyFile, mkdir, readFile, rm, stat, symlink, unlink, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { NightlyError } from '../../../base/errors.ts';
import type { Task } from '../../../base/task.ts';
import { run } from '../../../programs/exec.ts';
import type { Treefile } from '../../../treefile/treefile.ts';
import type { KeyName } from '../../../treefile/treefile-keys.ts';
import { inTree } from '../namespace.ts';
import { osReleasePath, withVersion } from './os-release.ts';
import { at, entry, kindOf, namesIn, pathInTree } from './tree-paths.ts';
import { templateOf } from './unit-name.ts';

export interface CustomiseRequest {
  readonly root: string;
  readonly treefile: Treefile;
  readonly version: string;
  readonly timestamp: number;
  /** Files of the packages that `remove-from-packages` names. */
  readonly packageFiles: ReadonlyMap<string, readonly string[]>;
  readonly scratchDir: string;
}

/**
 * Applies the treefile's own changes to the installed tree, in rpm-ostree's order: units, default target, removals,
 * os-release, added files, and the scripts last.
 */
export async function customise(request: CustomiseRequest, task: Task): Promise<void> {
  await enableUnits(request);
  await setDefaultTarget(request);
  await removeFiles(request);
  await mutateOsRelease(request);
  await removeFromPackages(request);
  await addFiles(request);
  await runScripts(request, task);
}

function fault(treefile: Treefile, key: KeyName, entry: string, message: string, hint?: string): NightlyError {
  const place = treefile.origins.get(`${key}/${entry}`) ?? treefile.origins.get(key);
  return new NightlyError('compose', message, { ...(hint ? { hint } : {}), place });
}

/** Enables units as rpm-ostree does: a link in multi-user.target.wants, regardless of the unit's [Install] section. */
async function enableUnits({ root, treefile }: CustomiseRequest): Promise<void> {
  const wants = at(root, 'usr/etc/systemd/system/multi-user.target.wants');
  for (const unit of treefile.values.units ?? []) {
    const template = templateOf(unit);
    if (!(await hasUnit(root, unit)) && !(await hasUnit(root, template))) {
      throw fault(
        treefile,
        'units',
        unit,
        `The tree has no unit ${unit}.`,
        'Correct its name, or add the package that has it.',
      );
    }
    await mkdir(wants, { recursive: true });
    const link = join(wants, unit);
    if (await kindOf(link)) continue;
    await symlink(`/usr/lib/systemd/system/${(await hasUnit(root, unit)) ? unit : template}`, link);
  }
}

async function hasUnit(root: string, unit: string): Promise<boolean> {
  return (
    (await kindOf(entry(root, 'usr/lib/systemd/system', unit))) !== undefined ||
    (await kindOf(entry(root, 'usr/etc/systemd/system', unit))) !== undefined
  );
}

async function setDefaultTarget({ root, treefile }: CustomiseRequest): Promise<void> {
  const target = treefile.values['default-target'];
  if (target === undefined) return;
  if (!(await hasUnit(root, target))) {
    throw fault(treefile, 'default-target', '', `The tree has no unit ${target} to boot into.`);
  }
  // In /usr, where the preset-all of a first boot takes nothing away. What a package's script chose in /etc would win.
  await rm(await pathInTree(root, '/etc/systemd/system/default.target'), { force: true });
  const link = await pathInTree(root, '/usr/lib/systemd/system/default.target');
  await mkdir(dirname(link), { recursive: true });
  await rm(link, { force: true });
  const inEtc = !(await kindOf(await pathInTree(root, `/usr/lib/systemd/system/${target}`)));
  await symlink(inEtc ? `/etc/systemd/system/${target}` : target, link);
}

async function removeFiles({ root, treefile }: CustomiseRequest): Promise<void> {
  for (const path of treefile.values['remove-files'] ?? []) {
    await rm(await pathInTree(root, path), { recursive: true, force: true });
  }
}

/** Removes a package's files whose whole path matches one of its expressions; folders only when they are empty then. */
async function removeFromPackages({ root, treefile, packageFiles }: CustomiseRequest): Promise<void> {
  for (const [name = '', ...patterns] of treefile.values['remove-from-packages'] ?? []) {
    const files = packageFiles.get(name);
    if (!files) {
      throw fault(
        treefile,
        'remove-from-packages',
        name,
        `"remove-from-packages" names ${name}, which is not installed.`,
      );
    }
    const expressions = patterns.map((pattern) => compile(pattern, treefile, name));
    const doomed = files.filter((path) => expressions.some((expression) => expression.test(path)));
    // Deepest first, so that a folder is empty when its turn comes.
    for (const path of doomed.toSorted().toReversed()) {
      const real = await pathInTree(root, path);
      const kind = await kindOf(real);
      if (kind === 'dir') {
        if ((await namesIn(real)).length === 0) await rm(real, { recursive: true });
      } else if (kind !== undefined) await unlink(real);
    }
  }
}

function compile(pattern: string, treefile: Treefile, name: string): RegExp {
  try {
    return new RegExp(pattern);
  } catch (error) {
    throw fault(treefile, 'remove-from-packages', name, `${pattern} is no regular expression: ${String(error)}`);
  }
}

async function mutateOsRelease({ root, treefile, version }: CustomiseRequest): Promise<void> {
  const base = treefile.values['mutate-os-release'];
  if (base === undefined) return;
  const path = await osReleasePath(root);
  if (path === undefined) {
    throw fault(treefile, 'mutate-os-release', '', 'The tree has neither usr/lib/os-release nor /etc/os-release.');
  }
  await writeFile(path, withVersion(await readFile(path, 'utf8'), { base, version }));
}

async function addFiles({ root, treefile }: CustomiseRequest): Promise<void> {
  for (const [source, destination] of treefile.values['add-files'] ?? []) {
    const target = await pathInTree(root, destination);
    if ((await kindOf(target)) === 'dir' && !(await stat(source)).isDirectory()) {
      throw fault(treefile, 'add-files', destination, `${destination} is a folder in the tree; name the file in it.`);
    }
    await copyIn(root, source, destination);
  }
}

/** Copies a file that is added; it takes the place of a link. */
async function copyIn(root: string, source: string, path: string): Promise<void> {
  await mkdir(at(root, dirname(path)), { recursive: true });
  const target = entry(root, path);
  await rm(target, { recursive: true, force: true });
  await copyFile(source, target);
  await chown(target, 0, 0);
  await chmod(target, (await stat(source)).mode & 0o7777);
}

/** Runs the inline scripts, then the script file, chrooted into the tree, without network. */
async function runScripts(request: CustomiseRequest, task: Task): Promise<void> {
  const { root, treefile, timestamp, scratchDir } = request;
  const { postprocess = [], 'postprocess-script': file } = treefile.values;
  const scripts = postprocess.map((body, index) => ({
    name: `postprocess-${index + 1}`,
    body,
    key: 'postprocess' as const,
  }));
  const dir = join(scratchDir, 'scripts');
  await rm(dir, { recursive: true, force: true });
  await mkdir(dir, { recursive: true });
  const mountPoint = 'usr/.atomic-nightly-scripts';
  const names: [string, KeyName][] = [];
  for (const { name, body, key } of scripts) {
    // Without a first line that says otherwise execvp(3) gives a script to the shell; the same here, said outright.
    await writeFile(join(dir, name), body.startsWith('#!') ? body : `#!/bin/sh\n${body}`);
    names.push([name, key]);
  }
  if (file !== undefined) {
    await copyFile(file, join(dir, basename(file)));
    names.push([basename(file), 'postprocess-script']);
  }
  if (names.length === 0) return;
  await mkdir(at(root, mountPoint));
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
