import { join } from 'node:path';
import { makeFolder } from '../base/files.ts';
import type { Task } from '../base/task.ts';
import { removeTree } from '../programs/rm.ts';
import { type BootLoader, chooseBootLoader, describeBootLoader } from './disk/bootloader.ts';
import { derivedUuid, type IdSeed } from './disk/disk-ids.ts';
import { makeSysroot } from './disk/sysroot.ts';
import type { ImageSource } from './image.ts';

/** What the disk images of one commit share: the deployed sysroot, made once. */
export interface Base {
  /** Must not be changed: the images' own trees are hard links to it. */
  readonly sysroot: string;
  /** The deployment's root folder, relative to the sysroot. */
  readonly deployment: string;
  readonly loader: BootLoader;
  readonly seed: IdSeed;
  readonly bootUuid: string;
  readonly rootUuid: string;
}

/** Stands in the boot menu for the kernel arguments of an image type. */
export const KERNEL_ARGUMENTS_TOKEN = 'atomic-nightly.kernel-arguments';

/** Deploys the commit into a sysroot in the scratch folder. @throws NightlyError `image`, `tool-failed`, `disk-full`. */
export async function makeBase(source: ImageSource, task: Task): Promise<Base> {
  const seed = { commit: source.commit, timestamp: source.timestamp };
  const loader = await chooseBootLoader(source.repo, source.commit, task);
  task.say(`Boot loader: ${describeBootLoader(loader)}`);
  const bootUuid = derivedUuid(seed, 'file system boot');
  const rootUuid = derivedUuid(seed, 'file system root');
  const sysroot = join(source.scratchDir, 'sysroot');
  // What a killed try left behind.
  await removeTree(sysroot, task);
  await makeFolder(source.scratchDir);
  task.say('Deploying the commit into a sysroot that all disk images share');
  const kernelArguments = [KERNEL_ARGUMENTS_TOKEN];
  const deployment = await makeSysroot({ sysroot, source, loader, bootUuid, rootUuid, kernelArguments }, task);
  return { sysroot, deployment, loader, seed, bootUuid, rootUuid };
}
