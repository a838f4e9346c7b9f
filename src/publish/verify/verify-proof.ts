import { sha256 } from '../../base/files.ts';
import { isIncluded } from '../../log/inclusion.ts';
import { logFault } from '../../log/log-fault.ts';
import { leafHash } from '../../log/merkle.ts';
import { isQuorum, type Policy } from '../../log/policy.ts';
import { parseProof } from '../../log/proof-file.ts';
import { type LogEntry, parseEntry } from '../../published/log-entry.ts';
import { vouchedFiles } from '../../published/log-subjects.ts';
import { commitProofPath, proofPath } from '../../published/paths.ts';
import { openWithPolicy } from './log-view.ts';
import type { PublicFiles } from './public-http.ts';

/**
 * Verifies as a client that the release log names a published file with these bytes, by the proof that lies beside the log.
 * @param path relative to the target's root
 * @throws NightlyError `log` when it does not, or too few witnesses have cosigned.
 */
export async function verifyLoggedFile(
  files: PublicFiles,
  policy: Policy,
  { path, content }: { readonly path: string; readonly content: Uint8Array },
): Promise<void> {
  const place = proofPath(path);
  const entry = await provenEntry(files, policy, place);
  const digest = sha256(content);
  if (vouchedFiles(entry).some((one) => one.path === path && one.sha256 === digest)) return;
  throw logFault({ file: place }, `The entry of the log that it proves does not name ${path} with the bytes it has.`);
}

/** Verifies as a client that the release log names a commit for a ref. @throws NightlyError `log` */
export async function verifyLoggedCommit(
  files: PublicFiles,
  policy: Policy,
  { ref, commit }: { readonly ref: string; readonly commit: string },
): Promise<void> {
  const place = commitProofPath(ref, commit);
  const entry = await provenEntry(files, policy, place);
  if (entry.kind === 'ref' && entry.ref === ref && entry.commit === commit) return;
  throw logFault({ file: place }, `The entry of the log that it proves does not name commit ${commit} for ${ref}.`);
}

/** Returns an entry of our format that a proof has, when all is verified. */
async function provenEntry(files: PublicFiles, policy: Policy, place: string): Promise<LogEntry> {
  const at = { file: place };
  const bytes = await files.get(place);
  if (bytes === undefined) throw logFault(at, 'There is no such proof: what it is for is not in the release log.');
  const { extra, index, hashes, checkpoint: note } = parseProof(bytes, at);
  if (extra === undefined) throw logFault(at, 'This proof has no entry.');
  const { size, root, cosigned } = openWithPolicy(Buffer.from(note), policy, place);
  if (!isIncluded({ index, size, leaf: leafHash(extra), root }, hashes))
    throw logFault(at, 'This proof does not lead to the checkpoint that it has.');
  if (!isQuorum(policy.quorum, cosigned)) throw logFault(at, 'Too few witnesses have cosigned its checkpoint.');
  const entry = parseEntry(extra, at);
  if (entry === undefined) throw logFault(at, 'Its entry is of a format that is not known here.');
  return entry;
}
