import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Task } from '../../base/task.ts';
import { createRef, initRepo, pullLocal } from '../../programs/ostree.ts';
import type { ImageSource } from '../image.ts';

/** Makes the archive repo of the medium: the one commit, checked object by object, under its ref. */
export async function makeIsoRepo(request: ImageSource, repo: string, task: Task): Promise<void> {
  await initRepo(repo, 'archive', task);
  await pullLocal({ from: request.repo, to: repo, commit: request.commit }, task);
  await createRef(repo, request.ref, request.commit, task);
  // Work files, named after this host's boot; the folder itself has to be there for a repo to be one.
  await rm(join(repo, 'tmp'), { recursive: true });
  await mkdir(join(repo, 'tmp'));
  await rm(join(repo, '.lock'), { force: true });
}
