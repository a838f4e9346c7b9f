import { join } from 'node:path';
import type { Task } from '../../base/task.ts';
import { renewRepository } from '../../rpm/repository/make-repository.ts';
import { type Project, streamSigners } from '../../run/project.ts';
import { isSignedByAll } from '../../signing/verify-detached.ts';
import { releasePackageOf } from './package-make.ts';

/** Metadata of earlier packages stays in the folder so long, in seconds. */
const KEEP_SECONDS = 7 * 86_400;

/**
 * Makes the metadata of the repository with a stream's release package name exactly the RPMs that are there, signed by the stream.
 * @returns whether anything had to be written
 */
export function renewPackageRepository(project: Project, task: Task): Promise<boolean> {
  const { config, stream, signer } = project;
  const signers = streamSigners(config, stream);
  const signing = signer && {
    sign: (repomd: Uint8Array) => signer.sign(repomd, task),
    isGood: (repomd: Uint8Array, signature: Uint8Array) => isSignedByAll(signers, repomd, [signature], task),
  };
  const request = {
    folder: releasePackageOf(project).repository,
    memory: join(config.work, 'cache', 'repositories', `release-package-${stream.name}.json`),
    keepSeconds: KEEP_SECONDS,
    now: Math.floor(Date.now() / 1000),
  };
  return renewRepository({ ...request, signing }, task);
}
