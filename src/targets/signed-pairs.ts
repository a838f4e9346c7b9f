import type { SmallFile } from './target.ts';

/**
 * Returns what is to appear in one go: a signature and what it signs, right behind it, as one group; any other file
 * alone. Between the two every client refuses the pair, and if the publisher were killed there, until somebody resumes:
 * so targets put a group as close together as they can.
 */
export function signedPairs(files: readonly SmallFile[]): SmallFile[][] {
  const groups: SmallFile[][] = [];
  for (const file of files) {
    const before = groups.at(-1);
    const last = before?.at(-1)?.path;
    if (last === `${file.path}.sig` || last === `${file.path}.asc`) before?.push(file);
    else groups.push([file]);
  }
  return groups;
}
