import { RECORD_FILE, SUMS } from '../build/build-files.ts';

/**
 * Where things lie on a target, relative to its root, and how signatures are named. Files with a format of their own have
 * their path where the format is: build-index.ts, retired.ts, stream-files.ts, vagrant-catalogue.ts. Nothing outside of this
 * folder spells a path.
 */

/** Returns the name of the detached signature of a file, armored OpenPGP, which lies beside it. */
export function signatureName(file: string): string {
  return `${file}.asc`;
}

/** Whether a name is that of a detached signature. */
export function isSignatureName(name: string): boolean {
  return name.endsWith('.asc');
}

/** Returns the file that a detached signature is for. */
export function signedName(signature: string): string {
  return signature.slice(0, -'.asc'.length);
}

/** Returns the folder of a build; below it the same names as in the work folder. */
export function buildFolder(id: string, arch: string): string {
  return `builds/${id}/${arch}`;
}

/** The same by `<id>/<arch>`, as tables of builds have it. */
export function folderOfKey(key: string): string {
  return `builds/${key}`;
}

/** Returns the path of a build's record. */
export function recordPath(id: string, arch: string): string {
  return `${buildFolder(id, arch)}/${RECORD_FILE}`;
}

/** Returns the path of the list of a build's checksums. */
export function sumsPath(id: string, arch: string): string {
  return `${buildFolder(id, arch)}/${SUMS}`;
}

/**
 * Returns where the public key of a stream lies on a target: in binary, as `ostree remote add --gpg-import` and gpg
 * both take it.
 */
export function keyPath(stream: string): string {
  return `get/${stream}.gpg`;
}

/** The script that checks a download against the release log (docs/verify-releases.md). */
export const VERIFIER_PATH = 'get/verify.sh';

/** Returns the path of a file of the release log: its checkpoint, a tile or a bundle of entries, as `src/log/` names them. */
export function logPath(file: string): string {
  return `log/${file}`;
}

/** Where the release log has its last size, root and signatures. */
export const CHECKPOINT_PATH = 'log/checkpoint';

/** Returns the path of the proof that the release log names a published file with the bytes it has; by the file's own path on the target. */
export function proofPath(path: string): string {
  return `log/proofs/${path}.tlog-proof`;
}

/** Returns the path of the proof that the release log names a commit for a ref. */
export function commitProofPath(ref: string, commit: string): string {
  return `log/proofs/refs/${ref}/${commit}.tlog-proof`;
}

/** Returns where a stream's RPM repository, with its release package, is on its targets. */
export function rpmFolder(stream: string): string {
  return `rpms/${stream}`;
}
