import { basename, dirname } from 'node:path';

/** RPM files of one folder. */
export interface RpmFolder {
  readonly cwd: string;
  readonly names: readonly string[];
}

/**
 * Splits files, in their order, into those that stand together in one folder: `rpm --query --package` takes quotes and backslashes off
 * a path, and reads it as a pattern (rpmGlob of rpmio), so that it is run in the folder and given names alone, which are those of RPMs.
 */
export function inFolders(files: readonly string[]): RpmFolder[] {
  const folders: { cwd: string; names: string[] }[] = [];
  for (const file of files) {
    const cwd = dirname(file);
    const last = folders.at(-1);
    if (last?.cwd === cwd) last.names.push(basename(file));
    else folders.push({ cwd, names: [basename(file)] });
  }
  return folders;
}
