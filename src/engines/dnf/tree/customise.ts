import { lchown, realpath, rm, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { NightlyError } from '../../../base/errors.ts';
import type { Task } from '../../../base/task.ts';
import {
  copyInTree,
  kindOf,
  linkInTree,
  namesIn,
  readInTree,
  rewriteInTree,
  setModeInTree,
} from '../../../base/tree-files.ts';
import type { Treefile } from '../../../treefile/treefile.ts';
import type { KeyName } from '../../../treefile/treefile-keys.ts';
import { osReleasePath, withVersion } from './os-release.ts';
import { runScripts } from './postprocess.ts';
import { at, entry } from './tree-paths.ts';
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
  await removeFromPackages(request, task);
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
    const link = join(wants, unit);
    if (await kindOf(link)) continue;
    await linkInTree(link, `/usr/lib/systemd/system/${(await hasUnit(root, unit)) ? unit : template}`);
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
  await rm(entry(root, '/etc/systemd/system/default.target'), { recursive: true, force: true });
  const inEtc = !(await kindOf(entry(root, `/usr/lib/systemd/system/${target}`)));
  const link = entry(root, '/usr/lib/systemd/system/default.target');
  await linkInTree(link, inEtc ? `/etc/systemd/system/${target}` : target);
}

async function removeFiles({ root, treefile }: CustomiseRequest): Promise<void> {
  for (const path of treefile.values['remove-files'] ?? []) {
    const doomed = entry(root, path);
    // What lies in no folder is not there.
    if ((await kindOf(doomed)) !== undefined) await rm(doomed, { recursive: true, force: true });
  }
}

/**
 * Removes a package's files as rpm-ostree leaves them out (checkout_filter in its rpmostree-core.cxx): those whose path, or
 * that of a folder on the way, matches an expression. Files that another package has as well stay, and so do folders that are not
 * empty then; a package that is not installed has none.
 */
async function removeFromPackages({ root, treefile, packageFiles }: CustomiseRequest, task: Task): Promise<void> {
  for (const [name = '', ...patterns] of treefile.values['remove-from-packages'] ?? []) {
    const files = packageFiles.get(name);
    if (!files) task.say(`remove-from-packages: ${name} is not installed`);
    const expressions = patterns.map((pattern) => new RegExp(pattern));
    const doomed = (files ?? []).filter((path) =>
      pathsTo(path).some((one) => expressions.some((each) => each.test(one))),
    );
    // Deepest first, so that a folder is empty when its turn comes.
    for (const path of doomed.toSorted().toReversed()) {
      const real = entry(root, path);
      const kind = await kindOf(real);
      if (kind === 'dir') {
        if ((await namesIn(real)).length === 0) await rm(real, { recursive: true });
      } else if (kind !== undefined) await unlink(real);
    }
  }
}

/** Returns a path and the folders above it, as the package has them and as an OSTree commit does, with usr/etc for /etc. */
function pathsTo(path: string): string[] {
  const parts = path.split('/').slice(1);
  const all = parts.map((_, index) => `/${parts.slice(0, index + 1).join('/')}`);
  return parts[0] === 'etc' ? [...all, ...all.map((one) => `/usr${one}`)] : all;
}

async function mutateOsRelease({ root, treefile, version }: CustomiseRequest): Promise<void> {
  const base = treefile.values['mutate-os-release'];
  if (base === undefined) return;
  const path = await osReleasePath(root);
  if (path === undefined) {
    throw fault(treefile, 'mutate-os-release', '', 'The tree has neither usr/lib/os-release nor /etc/os-release.');
  }
  await rewriteInTree(path, withVersion((await readInTree(path)) ?? '', { base, version }));
}

async function addFiles({ root, treefile }: CustomiseRequest): Promise<void> {
  for (const [source, destination] of treefile.values['add-files'] ?? []) {
    const target = entry(root, destination);
    if ((await kindOf(target)) === 'dir' && !(await stat(source)).isDirectory()) {
      throw fault(treefile, 'add-files', destination, `${destination} is a folder in the tree; name the file in it.`);
    }
    await copyIn(root, source, destination);
  }
}

/** Copies a file that is added; it takes the place of a link. */
async function copyIn(root: string, source: string, path: string): Promise<void> {
  const target = entry(root, path);
  await copyInTree(await realpath(source), target);
  await lchown(target, 0, 0);
  await setModeInTree(target, (await stat(source)).mode & 0o7777);
}
