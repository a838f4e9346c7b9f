import { readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { NightlyError } from '../../base/errors.ts';
import { makeFolder } from '../../base/files.ts';
import type { Task } from '../../base/task.ts';
import { makeTar, unpackTar } from '../../programs/tar.ts';
import type { PackRequest } from '../image-format.ts';
import { templateFile } from '../template/image-template.ts';
import type { TemplateValues } from '../template/render-template.ts';

/** Runs `fill` with an empty folder for the members of a box, archives those it names, and removes the folder. */
export async function archiveBox(
  request: PackRequest,
  options: { readonly gzip: boolean },
  fill: (folder: string) => Promise<readonly string[]>,
  task: Task,
): Promise<void> {
  const folder = join(request.scratchDir, 'box');
  // What a killed try left behind.
  await rm(folder, { recursive: true, force: true });
  await makeFolder(folder);
  const members = await fill(folder);
  task.say('Packing the box');
  const { output: archive, timestamp } = request;
  await makeTar({ archive, folder, members, timestamp, gzip: options.gzip }, task);
  await rm(folder, { recursive: true });
}

/** Fills in the image type's file `MEMBER.hbs` and writes it as that member. @throws NightlyError `image` */
export async function writeMember(
  folder: string,
  { template }: PackRequest,
  member: string,
  values: TemplateValues,
): Promise<void> {
  await writeFile(join(folder, member), await templateFile(template, `${member}.hbs`, values));
}

/** Unpacks a box and returns its disk, a member of that name. @throws NightlyError `image` */
export async function diskOfBox(box: string, disk: string, scratchDir: string, task: Task): Promise<string> {
  const folder = join(scratchDir, 'box');
  await makeFolder(folder);
  await unpackTar(box, folder, task);
  if ((await readdir(folder)).includes(disk)) return join(folder, disk);
  throw new NightlyError('image', `The box ${box} holds no ${disk}.`);
}
