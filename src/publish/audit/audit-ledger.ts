import { z } from 'zod';
import { FORMATS } from '../../base/format-versions.ts';
import { readRecord, recordFormat, recordText } from '../../base/read-record.ts';
import { count, pathBelow, refName, sha256Hex } from '../../build/record-values.ts';
import type { LogEntry } from '../../published/log-entry.ts';
import { vouchedFiles } from '../../published/log-subjects.ts';
import { buildFolder, folderOfKey } from '../../published/paths.ts';

/** Bytes by what identifies them. */
export interface Digest {
  readonly sha256: string;
  readonly size: number;
}

/** What an audit knows of a log: all that its entries say of what is published, as far as it must be there. */
export interface Ledger {
  /** What each file may have, by its path on the target: the last is what it should have, those before it what it had. */
  readonly files: Map<string, readonly Digest[]>;
  /** Commits of each ref, in the order in which they were logged. */
  readonly refs: Map<string, readonly string[]>;
  /** Builds that were logged, by `ID/ARCH`, with their commit; empty when retention gave it or the images up, and the index may leave the build out. */
  readonly builds: Map<string, string>;
  /** Whether an entry names this target by its URL: from then on, what others gave up must be here. */
  isNamed: boolean;
}

/** What was seen at an audit, for the next one. */
export interface AuditState extends Ledger {
  /** The note that was served. */
  readonly checkpoint: string;
  /** When all files were read last, seconds since the epoch; 0: never. */
  readonly fullAt: number;
  /** Builds that the index named. */
  readonly indexed: readonly string[];
  /** What each ref named. */
  readonly shown: ReadonlyMap<string, string>;
  /** What was older than what was logged, by when that was first seen. */
  readonly behind: ReadonlyMap<string, number>;
  /** Files that not every target has, and that were there: they must be from then on. */
  readonly others: readonly string[];
}

const digest = z.strictObject({ sha256: sha256Hex, size: count });
const key = z.string().regex(/^\d{8}_\d{2,}\/[A-Za-z0-9_]+$/, 'must be a build and its architecture');

/** The state as it is stored. */
export const AUDIT_STATE = recordFormat({
  version: FORMATS['audit state'],
  schema: z.strictObject({
    version: z.literal(FORMATS['audit state'].newest),
    checkpoint: z.string(),
    'full-at': count,
    files: z.record(pathBelow, z.array(digest).min(1)),
    refs: z.record(refName, z.array(sha256Hex)),
    builds: z.record(key, z.union([sha256Hex, z.literal('')])),
    indexed: z.array(key),
    shown: z.record(refName, sha256Hex),
    behind: z.record(z.string(), count),
    others: z.array(pathBelow).exactOptional(),
    named: z.boolean().exactOptional(),
  }),
  hint: 'Put it back from a backup; or remove it, and the next audit reads the whole log and every file again.',
});

/** Reads the state of an audit. @throws NightlyError `record` */
export function parseAuditState(bytes: Uint8Array, file: string): AuditState {
  const { named, ...stored } = readRecord(bytes, AUDIT_STATE, file);
  return {
    ...stored,
    isNamed: named ?? false,
    others: stored.others ?? [],
    files: new Map(Object.entries(stored.files)),
    refs: new Map(Object.entries(stored.refs)),
    builds: new Map(Object.entries(stored.builds)),
    shown: new Map(Object.entries(stored.shown)),
    behind: new Map(Object.entries(stored.behind)),
  };
}

/** Returns the state as its file has it. */
export function auditStateText({ files, refs, builds, shown, behind, isNamed, ...state }: AuditState): string {
  const maps = {
    files: Object.fromEntries([...files].map(([path, all]) => [path, [...all]])),
    refs: Object.fromEntries([...refs].map(([ref, all]) => [ref, [...all]])),
    shown: Object.fromEntries(shown),
    behind: Object.fromEntries(behind),
  };
  return recordText(
    {
      version: 1 as const,
      ...state,
      indexed: [...state.indexed],
      others: [...state.others],
      named: isNamed,
      builds: Object.fromEntries(builds),
      ...maps,
    },
    AUDIT_STATE,
  );
}

/** A ledger of which changes do not reach the one that it was made of. */
export function copyLedger({ files, refs, builds, isNamed }: Ledger): Ledger {
  return { files: new Map(files), refs: new Map(refs), builds: new Map(builds), isNamed };
}

/** @param isNamed whether the log is known to call this target by its URL */
export const newLedger = (isNamed: boolean): Ledger => ({
  ...{ files: new Map(), refs: new Map(), builds: new Map() },
  isNamed,
});

/** Digests of one file that are remembered. */
const REMEMBERED = 3;

/**
 * Takes an entry into a ledger: files that must be there from now on, those that may be gone, and commits of refs.
 * @param url of the target that is audited, without a slash at its end
 * @returns the paths about which it says something new
 */
export function takeEntry(ledger: Ledger, entry: LogEntry, url: string): string[] {
  const vouched = vouchedFiles(entry);
  for (const { path, sha256, size } of vouched) {
    const before = (ledger.files.get(path) ?? []).filter((one) => one.sha256 !== sha256);
    ledger.files.set(path, [...before, { sha256, size }].slice(-REMEMBERED));
  }
  switch (entry.kind) {
    case 'build':
    case 'build-changed': {
      const folder = buildFolder(entry.id, entry.arch);
      ledger.builds.set(`${entry.id}/${entry.arch}`, entry.commit);
      if (entry.kind === 'build-changed') for (const path of entry.gone) ledger.files.delete(`${folder}/${path}`);
      break;
    }
    case 'ref':
      ledger.refs.set(entry.ref, [...(ledger.refs.get(entry.ref) ?? []), entry.commit]);
      break;
    case 'prune':
      if (entry.target === url) ledger.isNamed = true;
      // At an address that the log does not know it cannot be told which of the targets it is.
      else if (entry.target !== undefined && ledger.isNamed) break;
      for (const [key, commit] of ledger.builds) if (entry.commits.includes(commit)) ledger.builds.set(key, '');
      for (const { id, arch, gone } of entry.builds) {
        if (gone.includes('images')) ledger.builds.set(`${id}/${arch}`, '');
        for (const part of gone) dropBelow(ledger, `${folderOfKey(`${id}/${arch}`)}/${part}/`);
      }
      break;
    case 'release':
    case 'withdraw':
    case 'rpms':
    case 'key':
    case 'tool':
      break;
  }
  return vouched.map(({ path }) => path);
}

function dropBelow({ files }: Ledger, folder: string): void {
  for (const path of files.keys()) if (path.startsWith(folder)) files.delete(path);
}
