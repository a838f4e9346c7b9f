import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { byText } from '../base/by-text.ts';
import { NightlyError } from '../base/errors.ts';
import { sha256, writeFileAtomic } from '../base/files.ts';
import type { Task } from '../base/task.ts';
import { type AptRequest, type DebDownload, downloadDebs, packageNames, resolveDebs } from '../programs/apt.ts';
import { ABSENT_PACKAGES, KERNEL_PACKAGE } from './lab-packages.ts';
import type { LabState } from './lab-state.ts';

const LISTS = '/var/lib/apt/lists';

/** Kernel packages of the archive, oldest first. */
export async function archiveKernels(task: Task): Promise<readonly string[]> {
  const names = (await packageNames('linux-image-', task)).filter((name) => KERNEL_PACKAGE.test(name));
  // Only the distribution's own line: a backported one needs newer tools.
  const major = names
    .map((name) => /^linux-image-(\d+\.\d+\.\d+)-\d+-/.exec(name)?.[1])
    .filter((line) => line !== undefined);
  const line = major.sort((a, b) => a.localeCompare(b, 'en', { numeric: true }))[0];
  return names
    .filter((name) => line !== undefined && name.startsWith(`linux-image-${line}-`))
    .sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
}

/** Returns the kernel a new lab starts with: the newest but one, so that there is a real one to update to. */
export async function firstKernel(task: Task): Promise<string> {
  const kernels = await archiveKernels(task);
  const kernel = kernels.at(-2) ?? kernels.at(-1);
  if (kernel === undefined) {
    throw new NightlyError(
      'package-missing',
      "Debian's package lists have no kernel for virtual machines (linux-image-…-cloud-amd64).",
      {
        hint: 'Run "apt-get update"; on a fresh machine the lists are empty.',
      },
    );
  }
  return kernel;
}

/** apt's answer for the lab's packages: the remembered one as long as the package lists have not changed. */
export async function resolveArchive(
  state: LabState,
  cacheDir: string,
  task: Task,
): Promise<NonNullable<LabState['resolved']>> {
  const request = aptRequest(state, cacheDir);
  const key = sha256(JSON.stringify([request.packages, request.assumeInstalled, await listsFingerprint()]));
  if (state.resolved?.key === key) return state.resolved;
  task.say(`Asking apt what ${request.packages.length} packages need.`);
  return { key, debs: request.packages.length === 0 ? [] : await resolveDebs(request, task) };
}

/** Downloads what is not in the cache yet; progress in bytes. @returns the folder with the .debs. */
export async function fetchArchive(
  state: LabState,
  debs: readonly DebDownload[],
  cacheDir: string,
  task: Task,
): Promise<string> {
  const archives = join(cacheDir, 'debs');
  const total = debs.reduce((sum, deb) => sum + deb.size, 0);
  const there = await Promise.all(debs.map((deb) => isComplete(archives, deb)));
  if (there.every((complete) => complete)) return archives;
  const absent = debs.filter((_, index) => !there[index]);
  const missing = absent.reduce((sum, deb) => sum + deb.size, 0);
  task.say(`Downloading ${absent.length} Debian packages, ${(missing / 1e6).toFixed(0)} MB.`);
  await downloadDebs(
    aptRequest(state, cacheDir),
    archives,
    (percent) => task.progress(total - missing + (missing * percent) / 100, total, 'bytes'),
    task,
  );
  return archives;
}

async function isComplete(archives: string, deb: DebDownload): Promise<boolean> {
  const size = await stat(join(archives, deb.file)).then(
    (found) => found.size,
    () => -1,
  );
  return size === deb.size;
}

function aptRequest(state: LabState, cacheDir: string): AptRequest {
  return {
    packages: [...state.packages, ...(state.kernel === undefined ? [] : [state.kernel])],
    assumeInstalled: ABSENT_PACKAGES.filter((name) => !state.packages.includes(name)),
    stateDir: join(cacheDir, 'apt'),
    writeStatus: writeFileAtomic,
  };
}

/** Changes whenever `apt-get update` brings something new. */
async function listsFingerprint(): Promise<string> {
  const names = (await readdir(LISTS).catch(() => []))
    .filter((name) => /_(In)?Release$|_Packages/.test(name))
    .sort(byText);
  const stats = await Promise.all(names.map((name) => stat(join(LISTS, name))));
  return sha256(names.map((name, index) => `${name} ${stats[index]?.size} ${stats[index]?.mtimeMs}`).join('\n'));
}
