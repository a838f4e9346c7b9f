import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Config } from '../config/config.ts';
import { localObjects, objectPath, readRef } from '../ostree/objects.ts';
import { signaturesIn } from '../ostree/signatures.ts';
import { updateJson } from '../publish/files.ts';
import { listBuilds } from '../run/build-store.ts';
import { streamSigners } from '../run/project.ts';
import type { StreamRefs } from '../run/streams-on.ts';
import { isSignedByAll, isSignedByOne } from '../signing/check.ts';
import { jointSigner, type Signer } from '../signing/signer.ts';
import type { Target } from '../targets/target.ts';
import { ifThere } from '../tools/files.ts';
import type { Task } from '../tools/task.ts';
import { INDEX_PATH } from './publish-build.ts';
import { sign } from './sign.ts';
import { SUMS, signatureName, signRecord } from './sign-files.ts';

/**
 * Adds to what is here the signatures that a key which has come since has not made: to the commits that refs of the streams
 * name, where one of their keys has signed them, and to records that were written again since they were signed.
 * @throws NightlyError `signing`.
 */
export async function signAgainHere(config: Config, streams: readonly StreamRefs[], task: Task): Promise<void> {
  const repo = join(config.work, 'repo');
  for (const { stream, ref, testedRef } of streams) {
    const signers = streamSigners(config, stream);
    if (signers.length === 0) continue;
    const named = await Promise.all([ref, testedRef].map((one) => one && readRef(repo, one)));
    for (const commit of new Set(named)) if (commit) await signCommitAgain(repo, commit, signers, task);
    for (const { meta, paths } of await listBuilds(config.work)) {
      if (meta['atomic-nightly.stream'] !== stream.name) continue;
      if (await ifThere(readFile(signatureName(join(paths.dir, SUMS)))))
        await signRecord(paths.dir, jointSigner(signers), task);
    }
  }
}

async function signCommitAgain(repo: string, commit: string, signers: readonly Signer[], task: Task): Promise<void> {
  const bytes = await localObjects(repo)(commit, 'commit');
  const meta = await ifThere(readFile(join(repo, objectPath(commit, 'commitmeta'))));
  const signatures = meta ? signaturesIn(meta) : [];
  if (!bytes || signatures.length === 0 || (await isSignedByAll(signers, bytes, signatures, task))) return;
  const all = jointSigner(signers);
  // What nobody here has signed before may be anything.
  if (await isSignedByOne(await all.publicKey(task), bytes, signatures, task)) await sign(repo, commit, all, task);
}

/** Signs again, where a signature is lost or a key has come since, what leads readers of a target to builds. */
export async function signPointersAgain(
  streams: readonly StreamRefs[],
  { target, signer }: { readonly target: Target; readonly signer: Signer },
  task: Task,
): Promise<void> {
  const paths = streams.flatMap(({ stream: { name, vagrantBox } }) => [
    `streams/${name}.json`,
    `streams/${name}/tested.json`,
    `vagrant/${vagrantBox}.json`,
  ]);
  for (const path of new Set([INDEX_PATH, ...paths]))
    await updateJson<unknown>(path, (old) => old, target, task, signer);
}
