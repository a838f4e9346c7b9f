import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { NightlyError } from '../base/errors.ts';
import { makeFolder, readTextIfExists, sha256, writeFileAtomic } from '../base/files.ts';
import { formatCount } from '../base/format.ts';
import { repoFileUrl } from '../base/quoting.ts';
import { PROJECT } from '../base/shipped.ts';
import type { Task } from '../base/task.ts';
import { archiveKernels, fetchArchive, firstKernel, resolveArchive } from './deb-archive.ts';
import { labKey } from './lab-keys.ts';
import { SEED_PACKAGES } from './lab-packages.ts';
import { LAB_REPOS, type LabRepo, planRpms } from './lab-plan.ts';
import { type LabState, readState, writeState } from './lab-state.ts';
import { publish } from './publish-lab.ts';

export interface LabRequest {
  readonly dir: string;
  /** Where the nightly's OSTree repo will be seen from outside, without `/repo`. */
  readonly publicUrl: string;
  /** Debian packages to take, with all they need. Default: what an Atomic host is made of, and a kernel. */
  readonly packages?: readonly string[];
  /** .deb files to take besides. */
  readonly debs?: readonly string[];
  /** Where the repositories are reached, in lab.repo. Default: `file://` and the folder. */
  readonly baseUrl?: string;
  /** Downloads and finished RPMs; may be shared by several labs. Default: `cache` in the folder. */
  readonly cacheDir?: string;
}

export interface Lab {
  readonly dir: string;
  readonly repoFile: string;
  readonly treefile: string;
  readonly publicKey: string;
  /** RPMs in both repositories. */
  readonly packageCount: number;
  /** Repositories whose metadata was renewed. */
  readonly changed: readonly LabRepo[];
}

/**
 * Makes or completes the lab distribution in a folder: `lab-base/` and `lab-sig-atomic/` with signed RPMs and metadata,
 * `lab.repo`, the treefile, `keys/`. Nothing is done twice: with nothing to change it takes a moment, and after an
 * interruption it continues where it was. Updates published earlier stay.
 * @throws NightlyError `package-missing`, `depsolve`, `tool-missing`, `tool-failed`, `disk-full`, `unsupported`.
 */
export async function buildLab(request: LabRequest, task: Task): Promise<Lab> {
  const dir = resolve(request.dir);
  const before = await readState(dir);
  const wholeHost = request.packages === undefined;
  const packages = request.packages ?? (before === undefined ? SEED_PACKAGES : packagesNow(before));
  const kernel = before?.kernel ?? (wholeHost ? await firstKernel(task) : undefined);
  const state: LabState = {
    format: 1,
    updates: {},
    removed: [],
    ...before,
    packages,
    publicUrl: request.publicUrl,
    debs: (request.debs ?? before?.debs ?? []).map((deb) => resolve(deb)),
    baseUrl: request.baseUrl ?? before?.baseUrl,
    ...(request.cacheDir === undefined ? {} : { cacheDir: resolve(request.cacheDir) }),
    kernel,
  };
  return realize(dir, state, task);
}

/**
 * Returns what a lab is made of: what was asked for, and for one that is a whole host what hosts are made of now, which
 * packages may need that an older version of this program did not ask for.
 */
function packagesNow({ kernel, packages }: LabState): readonly string[] {
  return kernel === undefined ? packages : [...new Set([...SEED_PACKAGES, ...packages])];
}

export interface LabUpdate {
  readonly dir: string;
  /** RPM names to publish a newer release of. */
  readonly packages: readonly string[];
  /** Publish a newer kernel: the archive's next one, or a newer release of the same when there is none. */
  readonly kernel?: boolean;
  /** RPM names to take out of the repositories. */
  readonly remove?: readonly string[];
}

/**
 * Publishes changes to a lab, for a next night to find.
 * @throws NightlyError `not-found` (no lab in the folder), `package-missing` (a name the lab does not have), and what
 *   `buildLab` throws.
 */
export async function updateLab(update: LabUpdate, task: Task): Promise<Lab> {
  const dir = resolve(update.dir);
  const before = await readState(dir);
  if (!before) {
    throw new NightlyError('not-found', `There is no lab in ${dir}.`, {
      hint: 'Make one with "atomic-nightly lab build".',
    });
  }
  await checkNames(dir, before, [...update.packages, ...(update.remove ?? [])], task);
  const bumps = [...update.packages];
  let { kernel } = before;
  if (update.kernel) {
    const kernels = await archiveKernels(task);
    const next = kernel === undefined ? undefined : kernels[kernels.indexOf(kernel) + 1];
    if (next === undefined) bumps.push('kernel');
    else kernel = next;
  }
  const updates: Record<string, number> = { ...before.updates };
  for (const name of new Set(bumps)) updates[name] = (updates[name] ?? 0) + 1;
  const state: LabState = {
    ...before,
    packages: packagesNow(before),
    updates,
    removed: [...new Set([...before.removed, ...(update.remove ?? [])])],
    kernel,
  };
  return realize(dir, state, task);
}

async function checkNames(dir: string, state: LabState, names: readonly string[], task: Task): Promise<void> {
  const cacheDir = state.cacheDir ?? join(dir, 'cache');
  const plan = await planRpms(state, state.resolved?.debs ?? [], join(cacheDir, 'debs'), await labKey(dir, task));
  const known = new Set(plan.map(({ name }) => name));
  const unknown = names.filter((name) => !known.has(name));
  if (unknown.length > 0) {
    throw new NightlyError('package-missing', `The lab has no package named ${unknown.join(', ')}.`, {
      hint: `The names are those of the files in ${join(dir, 'lab-base')} and ${join(dir, 'lab-sig-atomic')}.`,
    });
  }
}

/** Puts the treefile of a lab into its folder, before anything else of it is there: a configuration may name it by then. */
export async function placeLabTreefile(dir: string): Promise<void> {
  await makeFolder(dir);
  await placeTreefile(treefileIn(dir), (await readState(dir))?.treefile);
}

const treefileIn = (dir: string): string => join(dir, 'lab-atomic-host.yaml');

/** Makes the folder what its state says. */
async function realize(dir: string, state: LabState, task: Task): Promise<Lab> {
  const cacheDir = state.cacheDir ?? join(dir, 'cache');
  await makeFolder(cacheDir);
  const key = await labKey(dir, task);
  const resolved = await resolveArchive(state, cacheDir, task);
  const treefile = treefileIn(dir);
  const treefileDigest = await placeTreefile(treefile, state.treefile);
  await writeState(dir, { ...state, resolved, treefile: treefileDigest });
  const archives = await fetchArchive(state, resolved.debs, cacheDir, task);
  const plan = await planRpms(state, resolved.debs, archives, key);
  const changed = await publish(dir, cacheDir, plan, key, task);
  const repoFile = join(dir, 'lab.repo');
  await writeChanged(repoFile, repoFileText(state.baseUrl ?? repoFileUrl(dir), key.publicFile));
  task.say(
    changed.length === 0
      ? 'The lab is up to date.'
      : `Published ${changed.join(' and ')}: ${formatCount(plan.length, 'package')}.`,
  );
  return { dir, repoFile, treefile, publicKey: key.publicFile, packageCount: plan.length, changed };
}

/**
 * Copies the project's treefile to beside lab.repo unless that copy was edited. @returns the digest of what was copied.
 */
async function placeTreefile(path: string, copied: string | undefined): Promise<string> {
  const text = await readFile(join(PROJECT, 'treefiles', 'lab-atomic-host.yaml'), 'utf8');
  const present = await readTextIfExists(path);
  if (present !== undefined && present !== text && copied !== undefined && sha256(present) !== copied) return copied;
  await writeChanged(path, text);
  return sha256(text);
}

async function writeChanged(path: string, text: string): Promise<void> {
  if ((await readTextIfExists(path)) !== text) await writeFileAtomic(path, text);
}

function repoFileText(baseUrl: string, publicKey: string): string {
  return LAB_REPOS.map((repo) =>
    [
      `[${repo}]`,
      `name=Lab distribution, ${repo === 'lab-base' ? 'base' : 'Atomic SIG'}`,
      `baseurl=${baseUrl.replace(/\/+$/, '')}/${repo}/`,
      'enabled=1',
      'gpgcheck=1',
      `gpgkey=${repoFileUrl(publicKey)}`,
      'metadata_expire=0',
      '',
    ].join('\n'),
  ).join('\n');
}
