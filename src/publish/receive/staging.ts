import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder } from '../../base/files.ts';
import { removeStaleFolders, temporaryPrefix } from '../../base/temporary.ts';

/** What a push needs beside the published repository, in a folder that only the account may enter (no web server shows it). */
export const RECEIVE_FOLDER = '.atomic-nightly-receive';

/** Where a push arrives: on the file system of the repository, so that its objects become part of it as links. */
export interface Staging {
  /** An archive repository whose parent is the published one: `ostree` finds the objects of both in it. */
  readonly repo: string;
  remove(): Promise<void>;
}

/** Makes a fresh one, and removes those of pushes that were killed. @param root the folder that holds `repo/` */
export async function openStaging(root: string): Promise<Staging> {
  const parent = join(root, RECEIVE_FOLDER);
  await makeFolder(parent, 0o700);
  removeStaleFolders(parent);
  const folder = await mkdtemp(temporaryPrefix('push', parent));
  const repo = join(folder, 'repo');
  for (const name of ['objects', 'refs/heads', 'refs/remotes', 'state', 'tmp']) {
    await makeFolder(join(repo, name));
  }
  const published = join(root, 'repo');
  const lines = ['[core]', 'repo_version=1', 'mode=archive-z2'];
  if (existsSync(join(published, 'config'))) lines.push(`parent=${published}`);
  await writeFile(join(repo, 'config'), `${lines.join('\n')}\n`);
  return { repo, remove: () => rm(folder, { recursive: true, force: true }) };
}
