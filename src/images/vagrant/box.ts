import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Task } from '../../base/task.ts';
import { makeTar } from '../../programs/tar.ts';
import type { IdSeed } from '../disk/disk-ids.ts';
import { type ImageTemplate, templateFile } from '../template/load-template.ts';
import type { TemplateValues } from '../template/render-template.ts';

/** A disk to be made into a Vagrant box. */
export interface BoxRequest {
  /** Sparse raw disk. */
  readonly raw: string;
  /** The box file to write; the caller renames it into place. */
  readonly output: string;
  readonly scratchDir: string;
  /** Seconds since the epoch, for all members. */
  readonly timestamp: number;
  /** The machine's hardware address and every UUID derive from it. */
  readonly seed: IdSeed;
  /** What a virtual machine made from the box has, unless its owner says otherwise. */
  readonly machine: { readonly cpus: number; readonly memoryMib: number };
  /** Name of the machine inside the box, such as lab-atomic-host. */
  readonly name: string;
  /** Brings the templates of the members. */
  readonly template: Pick<ImageTemplate, 'name' | 'folders'>;
}

/** Runs `fill` with an empty folder for the members of a box, archives those it names, and removes the folder. */
export async function archiveBox(
  request: BoxRequest,
  options: { readonly gzip: boolean },
  fill: (folder: string) => Promise<readonly string[]>,
  task: Task,
): Promise<void> {
  const folder = join(request.scratchDir, 'box');
  // What a killed try left behind.
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const members = await fill(folder);
  task.say('Packing the box');
  const { output: archive, timestamp } = request;
  await makeTar({ archive, folder, members, timestamp, gzip: options.gzip }, task);
  await rm(folder, { recursive: true });
}

/** Fills in the image type's file `MEMBER.hbs` and writes it as that member. @throws NightlyError `image` */
export async function writeMember(
  folder: string,
  { template }: BoxRequest,
  member: string,
  values: TemplateValues,
): Promise<void> {
  await writeFile(join(folder, member), await templateFile(template, `${member}.hbs`, values));
}
