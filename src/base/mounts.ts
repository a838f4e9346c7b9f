import { readFile, realpath } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { ifThere } from './files.ts';

/**
 * Returns where something is mounted in a folder, the folder itself included, the innermost first. Read from the kernel's list
 * (proc_pid_mountinfo(5)): a bind mount of the same file system has the same device number as what is around it.
 * A link at its end is not followed.
 */
export async function mountsIn(path: string): Promise<string[]> {
  const parent = await ifThere(realpath(dirname(path)));
  if (parent === undefined) return [];
  const folder = join(parent, basename(path));
  const lines = (await readFile('/proc/self/mountinfo', 'utf8')).split('\n');
  return lines
    .map((line) => unescaped(line.split(' ')[4] ?? ''))
    .filter((mount) => mount === folder || mount.startsWith(`${folder}/`))
    .reverse();
}

/** Blanks, tabs, line ends and backslashes are octal there. */
const unescaped = (text: string): string =>
  text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
