import { chmod, rm, writeFile } from 'node:fs/promises';
import { dirname, join, sep } from 'node:path';
import { NightlyError } from '../../base/errors.ts';
import { makeFolder } from '../../base/files.ts';
import type { TreefileMember } from '../../published/treefile-members.ts';
import { readTreefile } from '../../treefile/read.ts';
import type { Treefile } from '../../treefile/treefile.ts';

/**
 * Unpacks a published treefile and reads it. It may use nothing of this host: every file that it names must be one of its own.
 * @param folder made anew
 * @param top path of the top treefile among the members
 * @throws NightlyError `treefile`
 */
export async function unpackTreefile(
  members: readonly TreefileMember[],
  { folder, top, arch }: { readonly folder: string; readonly top: string; readonly arch: string },
): Promise<Treefile> {
  await rm(folder, { recursive: true, force: true });
  await makeFolder(folder, 0o700);
  for (const { path, mode, content } of members) {
    const file = join(folder, path);
    await makeFolder(dirname(file));
    await writeFile(file, content);
    // Past the umask: modes go into the tree.
    await chmod(file, mode);
  }
  const treefile = await readTreefile(join(folder, top), { basearch: arch });
  const outside = treefile.files.filter((path) => !path.startsWith(`${folder}${sep}`));
  if (outside.length === 0) return treefile;
  throw new NightlyError('treefile', `The published treefile names files of this host: ${outside.join(', ')}.`, {
    hint: 'A treefile that others can compose from has all its files below its own folder: ask whoever publishes it.',
  });
}
