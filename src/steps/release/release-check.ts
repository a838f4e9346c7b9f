import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { NightlyError } from '../../base/errors.ts';
import { bytesIfThere, ifThere, sha256File } from '../../base/files.ts';
import { formatCount } from '../../base/format.ts';
import type { Task } from '../../base/task.ts';
import { SUMS } from '../../build/build-files.ts';
import type { BuildMeta } from '../../build/build-record.ts';
import type { StoredBuild } from '../../build/build-store.ts';
import { continueHint } from '../../build/continue-hint.ts';
import { signaturesIn } from '../../ostree/commit-signatures.ts';
import { objectPath } from '../../ostree/objects.ts';
import { fsck } from '../../programs/ostree.ts';
import { signatureName } from '../../published/paths.ts';
import { parseSums } from '../../published/sha256sums.ts';
import type { Project } from '../../run/project.ts';
import type { Signable } from '../../signing/signer.ts';
import { isSignedByOne } from '../../signing/verify-detached.ts';

/**
 * Refuses a build whose record does not allow a release: the gate, approvals, later promotions. Costs nothing.
 * @param approvals how many people must have approved it
 * @throws NightlyError `usage`, `gate-failed`
 */
export function refuseUnreleasable(meta: BuildMeta, approvals: number): void {
  const { buildid } = meta;
  const refuse = (what: string, hint: string): never => {
    throw new NightlyError('usage', `Build ${buildid} ${what}.`, { hint });
  };
  const promotion = meta.promotion;
  if (!promotion)
    refuse('is a nightly build, and only promotions are released', `Run "atomic-nightly promote ${buildid}" first.`);
  const state = meta.state;
  const tests = Object.keys(meta.smokeTests ?? {});
  if (state === 'gate-failed' || (state === 'complete' && tests.length === 0)) {
    const why =
      state === 'gate-failed' ? 'did not pass its smoke test' : 'was never tested: its stream has no smoke-test';
    throw new NightlyError('gate-failed', `Build ${buildid} ${why}, so it is not released.`, {
      hint:
        state === 'gate-failed'
          ? `"atomic-nightly show ${buildid}" says what failed; promote again once it is fixed.`
          : 'List the images to boot in the release stream (smoke-test), then promote again.',
    });
  }
  if (state !== 'complete') refuse(`is ${state}`, continueHint(meta));
  const later = meta.supersededBy;
  if (later !== undefined) refuse(`was superseded by ${later}`, `Release ${later}, or promote ${promotion?.of} again.`);
  const given = meta.approvals ?? [];
  if (given.length < approvals) {
    const by = given.length === 0 ? 'nobody has' : `only ${given.map((one) => one.by).join(', ')} has`;
    refuse(
      `needs ${formatCount(approvals, 'approval')}, and ${by} approved it`,
      `Each who has tested it runs "atomic-nightly approve ${buildid} --by NAME".`,
    );
  }
}

/**
 * Looks whether what is to be released is what was signed and tested: every object of the repository, the commit's
 * signature, and every file in SHA256SUMS.
 * @throws NightlyError `signing`, `ostree`, `image`
 */
export async function checkContent(project: Project, { paths, meta }: StoredBuild, task: Task): Promise<void> {
  const { repo, signer, stream } = project;
  if (!signer) {
    throw new NightlyError('config', `Stream "${stream.name}" does not sign, and nothing unsigned is released.`, {
      hint: 'Add "signing" to the stream, then promote again.',
      place: project.config.placeOf('streams', stream.name),
    });
  }
  const commit = meta.ostreeCommit ?? '';
  task.say('checking every object of the repository');
  await fsck(repo, task);
  const [object, detached] = [join(repo, objectPath(commit, 'commit')), join(repo, objectPath(commit, 'commitmeta'))];
  const signatures = existsSync(detached) ? signaturesIn(await readFile(detached)) : [];
  const publicKey = await signer.clientKey(task);
  if (!(await isSignedByOne(publicKey, await readFile(object), signatures, task))) {
    throw new NightlyError(
      'signing',
      `The commit ${commit} has no good signature by the key of stream "${stream.name}".`,
      {
        hint: `Run "atomic-nightly promote ${meta.promotion?.of ?? ''}" again: it signs what it makes.`,
      },
    );
  }
  await checkFiles(paths.dir, publicKey, task);
}

/** Compares the files of a build with its SHA256SUMS and with their signatures. */
async function checkFiles(dir: string, publicKey: Uint8Array, task: Task): Promise<void> {
  const sums = await readFile(join(dir, SUMS), 'utf8');
  const files = parseSums(sums);
  const bad: string[] = [];
  const isSigned = async (path: string, what: Signable): Promise<boolean> => {
    const signature = await bytesIfThere(join(dir, signatureName(path)));
    return signature !== undefined && isSignedByOne(publicKey, what, [signature], task);
  };
  if (!(await isSigned(SUMS, Buffer.from(sums)))) bad.push(`${SUMS} has no good signature`);
  for (const [index, { sha256, path }] of files.entries()) {
    const file = join(dir, path);
    const found = await ifThere(sha256File(file));
    if (found === undefined) bad.push(`${path} is not there`);
    else if (found !== sha256) bad.push(`${path} is not what was built`);
    else if (!(await isSigned(path, { file, sha256 }))) bad.push(`${path} has no good signature`);
    task.progress(index + 1, files.length, 'files');
  }
  if (bad.length === 0) return;
  throw new NightlyError('image', `Files of the build in ${dir} are not those that were signed:\n${bad.join('\n')}`, {
    hint: 'Find out who changed them; promote the nightly build again to have them made again.',
  });
}
