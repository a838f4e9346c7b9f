import { RECORD_FILE, SUMS } from '../build/build-files.ts';

/**
 * Where everything but the OSTree repository lies on a target, relative to its root. No other file spells these paths; the
 * index, and what lies beside it, have theirs where their format is (build-index.ts, retired.ts).
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

/** Returns the path of a stream's metadata: its newest images, for programs. */
export function streamMetadataPath(stream: string): string {
  return `streams/${stream}.json`;
}

/** Returns the path of the pointer to the newest build of a stream that passed its smoke test. */
export function testedPath(stream: string): string {
  return `streams/${stream}/tested.json`;
}

/** Returns the path of the pointer to the newest release of a stream. */
export function latestPath(stream: string): string {
  return `streams/${stream}/latest.json`;
}

/** Returns the path of the index of all releases of a stream. */
export function releasesPath(stream: string): string {
  return `streams/${stream}/releases.json`;
}

/** Whether a path is that of an index of releases, which names builds for ever. */
export function isReleasesPath(path: string): boolean {
  return path.endsWith('/releases.json');
}

/** Returns the path of the catalogue of a Vagrant box. */
export function boxesPath(box: string): string {
  return `vagrant/${box}.json`;
}
