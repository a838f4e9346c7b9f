import { RECORD_FILE, SUMS } from '../build/build-files.ts';
import type { LogEntry } from './log-entry.ts';
import { buildFolder, commitProofPath, isSignatureName, proofPath } from './paths.ts';

/** A published file as an entry has it; its path is relative to the target's root. */
export interface VouchedFile {
  readonly path: string;
  readonly sha256: string;
  readonly size: number;
}

/**
 * Returns the files that an entry vouches for. Of a build's SHA256SUMS and record it knows what they were then: a later entry
 * has what they became.
 */
export function vouchedFiles(entry: LogEntry): VouchedFile[] {
  switch (entry.kind) {
    case 'build':
    case 'build-changed': {
      const folder = buildFolder(entry.id, entry.arch);
      const own = [
        { path: SUMS, ...entry.sums },
        { path: RECORD_FILE, ...entry.record },
      ];
      return [...own, ...entry.files].map(({ path, ...digest }) => ({ path: `${folder}/${path}`, ...digest }));
    }
    case 'rpms':
      return entry.files.map(({ path, ...digest }) => ({ path: `${entry.folder}/${path}`, ...digest }));
    case 'key':
      return entry.file === undefined ? [] : [entry.file];
    case 'tool':
      return [entry.file];
    case 'ref':
    case 'release':
    case 'withdraw':
    case 'prune':
      return [];
  }
}

/**
 * Returns the paths on a target of the proofs that are published of an entry: for images, records that others are summed up in, and
 * the commit of a ref. The rest of a build is in its SHA256SUMS.
 */
export function proofPathsOf(entry: LogEntry): string[] {
  if (entry.kind === 'ref') return [commitProofPath(entry.ref, entry.commit)];
  const isBuild = entry.kind === 'build' || entry.kind === 'build-changed';
  const folder = isBuild ? buildFolder(entry.id, entry.arch) : '';
  // Of one in parts each has the sums; the first is as good as any.
  const isLater = isBuild && (entry.part?.number ?? 1) > 1;
  return vouchedFiles(entry)
    .map(({ path }) => path)
    .filter((path) => {
      if (isSignatureName(path)) return false;
      if (!isBuild || path.startsWith(`${folder}/images/`)) return true;
      return !isLater && [SUMS, RECORD_FILE].some((name) => path === `${folder}/${name}`);
    })
    .map(proofPath);
}
