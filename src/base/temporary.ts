import { createHash } from 'node:crypto';
import { existsSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bootId, pidNamespace } from './boot-id.ts';
import { NightlyError } from './errors.ts';

/**
 * Beginning of the name of a folder in the system's temporary folder, for mkdtemp(3). It tells whose it is, so that another
 * run can remove it when this process was killed.
 * @param what one word for people who look there
 * @param parent instead of the system's temporary folder
 * @throws NightlyError `usage` when there is no such folder
 */
export function temporaryPrefix(what: string, parent = tmpdir()): string {
  if (!existsSync(parent)) throw noFolder(parent);
  return join(parent, `atomic-nightly-${what}-${process.pid}-${place()}-`);
}

function noFolder(parent: string): NightlyError {
  return new NightlyError('usage', `The folder for temporary files is not there: ${parent}.`, {
    hint: 'Make it, or set the environment variable TMPDIR to a folder that is there.',
  });
}

/** Returns an id of the boot and PID namespace that process numbers belong to; short, since paths of sockets are. */
const place = (): string => createHash('sha256').update(`${bootId()} ${pidNamespace()}`).digest('hex').slice(0, 8);

/**
 * Returns the temporary folders of processes that were killed. Those of other users, namespaces and boots are left out, as of
 * those it cannot be known whether they have ended.
 */
export function staleFolders(parent = tmpdir()): string[] {
  const mine = new RegExp(`^atomic-nightly-[a-z]+-(\\d+)-${place()}-\\w{6}$`);
  return (existsSync(parent) ? readdirSync(parent) : [])
    .filter((name) => {
      const pid = mine.exec(name)?.[1];
      return pid !== undefined && !existsSync(`/proc/${pid}`);
    })
    .map((name) => join(parent, name))
    .filter((path) => {
      const found = statSync(path, { throwIfNoEntry: false });
      return found?.isDirectory() && found.uid === process.getuid?.();
    });
}

/** Returns the system's temporary folder, which may be on a disk of its own that is full. */
export const systemTemporary = (): string => tmpdir();

/** Removes the temporary folders of processes that were killed. */
export function removeStaleFolders(parent = tmpdir()): void {
  for (const path of staleFolders(parent)) rmSync(path, { recursive: true, force: true });
}
