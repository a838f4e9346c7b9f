import { argv, stdout } from 'node:process';
import { NightlyError } from '../../src/base/errors.ts';
import { quietTask } from '../../src/base/task.ts';
import type { SigningConfig, TargetConfig } from '../../src/config/config.ts';
import { NO_LOG } from '../../src/publish/log/logged.ts';
import { publishCommit } from '../../src/publish/publish-commit.ts';
import { publishFiles, updateRecord } from '../../src/publish/publish-files.ts';
import { BUILD_INDEX } from '../../src/published/build-index.ts';
import { keptSigner } from '../../src/signing/kept.ts';
import { openSigner } from '../../src/signing/open-signer.ts';
import { INDEX_PATH, withBuild } from '../../src/steps/deliver/publish-build.ts';
import { openTarget } from '../../src/targets/open-target.ts';
import { keyTrust } from './key-trust.ts';

/** What the process is given as its only argument, in JSON. */
export interface PublisherRequest {
  /** Has `repo/` and `builds/`. */
  readonly work: string;
  readonly target: TargetConfig;
  readonly signing: SigningConfig;
  readonly ref: string;
  readonly commit: string;
  /** The commit before it; deltas from it and from scratch are in the repository. */
  readonly parent?: string;
  /** Where what was sent and signed is noted, for the next try after a kill. */
  readonly notes: string;
  /** The build's id; its record and image are in `work`. */
  readonly id: string;
  readonly image: string;
}

/**
 * Publishes one build as the nightly does, as a process of its own that a test can kill. Prints `ready` when it begins; ends with exit code 3
 * and the error's code on standard output where publishing says what is wrong.
 */
async function publish(request: PublisherRequest): Promise<void> {
  const { work, ref, commit, parent, id, image, notes } = request;
  const task = quietTask();
  const [repo, target] = [`${work}/repo`, openTarget(request.target)];
  const signer = keptSigner(openSigner(request.signing), `${notes}/signatures`);
  const trust = keyTrust({ signer, kept: `${notes}/signatures`, work }, task);
  const signing = { signer, trust };
  const deltas = parent === undefined ? [undefined] : [parent, undefined];
  await publishCommit({ log: NO_LOG, repo, ref, commit, target, deltas, signing, notes: `${notes}/sent-${id}` }, task);
  const folder = `builds/${id}/x86_64`;
  await publishFiles(work, { fixed: [`${folder}/${image}`], records: [`${folder}/meta.json`] }, target, task);
  await updateRecord(
    { path: INDEX_PATH, format: BUILD_INDEX },
    (index) => withBuild(index, id, 'x86_64'),
    target,
    task,
  );
}

stdout.write('ready\n');
try {
  await publish(JSON.parse(argv[2] ?? '') as PublisherRequest);
} catch (error) {
  if (!(error instanceof NightlyError)) throw error;
  stdout.write(`${error.code}\n`);
  process.exitCode = 3;
}
