import { chmod, copyFile, mkdir, mkdtemp, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Task } from '../base/task.ts';
import { makeTar } from '../programs/tar.ts';
import type { CopiedFiles } from './copied-files.ts';

/**
 * Packs the files of a treefile so that anybody can compose from them: names sorted, owner 0, time 0, modes kept, for these go into
 * the tree. Equal files give equal bytes.
 * @param archive written whole or not at all
 * @returns why it is not made, as the end of a sentence that begins with "the treefile"; undefined when it is
 */
export async function packTreefile(
  { files, elsewhere }: CopiedFiles,
  archive: string,
  task: Task,
): Promise<string | undefined> {
  const [absolute] = elsewhere;
  if (absolute !== undefined) return 'names files by absolute paths, which nobody else has';
  for (const { path, file } of files) {
    const secret = secretIn((await readFile(file)).toString('latin1'));
    if (secret !== undefined) return `has ${secret} in ${path}`;
  }
  await mkdir(dirname(archive), { recursive: true });
  const folder = await mkdtemp(`${archive}-`);
  try {
    for (const { path, file } of files) {
      const copy = join(folder, 'treefile', path);
      await mkdir(dirname(copy), { recursive: true });
      await copyFile(file, copy);
      await chmod(copy, (await stat(file)).mode & 0o7777);
    }
    const part = join(folder, 'archive');
    const members = files.map(({ path }) => path);
    await makeTar(
      { archive: part, folder: join(folder, 'treefile'), members, timestamp: 0, gzip: true, keepModes: true },
      task,
    );
    await rename(part, archive);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return undefined;
}

/** What nobody publishes on purpose; undefined where there is nothing of it. */
function secretIn(text: string): string | undefined {
  if (/-----BEGIN [A-Z ]*PRIVATE KEY/.test(text)) return 'a private key';
  if (/^\s*(?:proxy_)?password\s*=\s*\S/im.test(text)) return 'a password';
  return /[a-z]:\/\/[^\s/@:"']*:[^\s/@"']+@/i.test(text) ? 'a URL with a password' : undefined;
}
