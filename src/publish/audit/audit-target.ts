import { NightlyError } from '../../base/errors.ts';
import { formatSeconds } from '../../base/format.ts';
import type { Task } from '../../base/task.ts';
import type { SignedCheckpoint } from '../../log/checkpoint.ts';
import { isQuorum, type Policy } from '../../log/policy.ts';
import { TILE_WIDTH } from '../../log/tile-math.ts';
import { openTileTree, type TileTree } from '../../log/tile-tree.ts';
import { loggedUrl, parseEntry } from '../../published/log-entry.ts';
import { CHECKPOINT_PATH, logPath } from '../../published/paths.ts';
import { historyOf, openWithPolicy } from '../verify/log-view.ts';
import type { PublicFiles } from '../verify/public-http.ts';
import type { Evidence } from '../verify/verify-log.ts';
import { type Finding, isEvidence } from './audit-findings.ts';
import { type AuditState, copyLedger, type Ledger, newLedger, takeEntry } from './audit-ledger.ts';
import { type FilesRead, readBack } from './read-back.ts';
import { readRefs } from './read-refs.ts';
import { compareVisible, readVisible } from './visible.ts';

export interface AuditRequest {
  readonly files: PublicFiles;
  /** The target's URL, by which the log calls it, and messages. */
  readonly url: string;
  /** Whether the log calls it so for certain: it is a target of the configuration, and no mirror of one. */
  readonly isOurs?: boolean;
  readonly policy: Policy;
  /** What the last audit saw. */
  readonly state?: AuditState | undefined;
  /** Seconds after which the newest cosignature is too old. */
  readonly maxAgeSeconds?: number;
  /** Seconds after which all files are read again. */
  readonly fullSeconds: number;
}

export interface AuditResult {
  readonly findings: readonly Finding[];
  /** What the next audit begins with; undefined when something was found that is evidence. */
  readonly state?: AuditState;
  /** Both checkpoints, where they do not fit together. */
  readonly evidence?: Evidence;
  readonly entries: number;
  readonly read: FilesRead;
}

/** Something may be published while an audit looks, but not again and again. */
const TRIES = 3;
/** What was logged is visible after so many seconds. */
const PUBLISH_SECONDS = 3600;

const NOTHING_READ: FilesRead = { files: 0, bytes: 0 };

/**
 * Compares what a target serves with its release log, as anybody can who has its URL and a policy: the log itself, entries that are new
 * since the last audit, what refs and the index name, and the files that they are about; all files once in a while.
 * @throws NightlyError `target-unreachable`; others of the readers.
 */
export async function auditTarget(request: AuditRequest, task: Task): Promise<AuditResult> {
  for (let attempt = 1; ; attempt += 1) {
    const result = await auditOnce(request, task);
    const { note } = result;
    if (!note || attempt === TRIES || !result.findings.some(isEvidence)) return result;
    // What was found may have been logged meanwhile.
    const now = await request.files.get(CHECKPOINT_PATH);
    if (now === undefined || note.equals(now)) return result;
  }
}

async function auditOnce(request: AuditRequest, task: Task): Promise<AuditResult & { readonly note?: Buffer }> {
  const { files, url, policy, state } = request;
  const findings: Finding[] = [];
  const bytes = await files.get(CHECKPOINT_PATH);
  if (bytes === undefined) {
    return {
      findings: [{ kind: 'bad-log', what: 'log', why: `there is none at ${url}` }],
      entries: 0,
      read: NOTHING_READ,
    };
  }
  const note = Buffer.from(bytes);
  try {
    const checkpoint = openWithPolicy(note, policy, `${url}/${CHECKPOINT_PATH}`);
    findings.push(...witnessFindings(checkpoint.cosigned, request));
    const now = Math.floor(Date.now() / 1000);
    const isFull = !state || now - state.fullAt >= request.fullSeconds || now < state.fullAt;
    const log = await readLog(request, { checkpoint, note, isFull, findings }, task);
    if ('evidence' in log) return { findings, note, read: NOTHING_READ, ...log };
    const { ledger, touched } = log;
    const visible = await readVisible(files, state, (finding) => findings.push(finding));
    findings.push(...compareVisible(visible, ledger, state));
    if (isFull) await readRefs(files, visible.refs, ledger, (finding) => findings.push(finding), task);
    const due = dueFiles(ledger, isFull ? undefined : touched, [...(state?.behind.keys() ?? [])], visible.builds);
    const { read, behind, others } = await readFiles(request, { due, now, findings }, task);
    const result = { findings, note, entries: checkpoint.size, read };
    if (findings.some(isEvidence)) return result;
    const next: AuditState = {
      ...ledger,
      checkpoint: note.toString(),
      fullAt: isFull ? now : state.fullAt,
      indexed: [...visible.builds],
      shown: visible.refs,
      behind,
      others,
    };
    return { ...result, state: next };
  } catch (error) {
    if (!(error instanceof NightlyError && error.code === 'log')) throw error;
    const why = error.place === undefined ? error.message : `${error.place.file}: ${error.message}`;
    findings.push({ kind: 'bad-log', what: 'log', why });
    return { findings, note, entries: 0, read: NOTHING_READ };
  }
}

/**
 * Reads what is new in the log since the last audit; all of it on a full one, for a tile that was changed is nobody's proof any more.
 * @returns what it says, and the paths about which that is new; or both checkpoints, where it does not continue what was seen
 */
async function readLog(
  { files, url, policy, state, isOurs = false }: AuditRequest,
  about: {
    readonly checkpoint: SignedCheckpoint;
    readonly note: Buffer;
    readonly isFull: boolean;
    readonly findings: Finding[];
  },
  task: Task,
): Promise<{ ledger: Ledger; touched: Set<string> } | { evidence: Evidence; entries: number }> {
  const { checkpoint, note, isFull, findings } = about;
  const ledger = isFull || !state ? newLedger(isOurs) : { ...copyLedger(state), isNamed: isOurs || state.isNamed };
  const touched = new Set<string>();
  const seen = state && openWithPolicy(Buffer.from(state.checkpoint), policy, 'the state of the last audit');
  const isSame = seen?.size === checkpoint.size && seen.root.equals(checkpoint.root);
  if (isSame && !isFull) return { ledger, touched };
  const tree = await openTileTree((path) => files.get(logPath(path)), checkpoint, `${url}/log`);
  const history = seen ? await historyOf(tree, seen) : 'grown';
  if (state && seen && (history === 'rolled-back' || history === 'split')) {
    const why =
      history === 'split'
        ? `its first ${seen.size} entries are others than before`
        : `it had ${seen.size} entries and has ${tree.size} now`;
    findings.push({ kind: history, what: 'log', why });
    return { evidence: { seen: Buffer.from(state.checkpoint), now: note }, entries: tree.size };
  }
  await takeEntries(tree, isFull ? 0 : (seen?.size ?? 0), { ledger, url, touched, findings }, task);
  return { ledger, touched };
}

/** Reads the files that are due, and says what the next audit has to know of them. */
async function readFiles(
  { files, state }: AuditRequest,
  about: { readonly due: ReturnType<typeof dueFiles>; readonly now: number; readonly findings: Finding[] },
  task: Task,
): Promise<Pick<AuditState, 'behind' | 'others'> & { readonly read: FilesRead }> {
  const { due, now, findings } = about;
  const behind = new Map<string, number>();
  const others = new Set(state?.others);
  const read = await readBack(
    files,
    due,
    {
      found: (finding) => findings.push(finding),
      there: (path) => void (isElsewhereToo(path) && others.add(path)),
      gone(path) {
        if (isElsewhereToo(path) && !others.has(path)) return;
        findings.push({ kind: 'missing', what: path, why: 'the log has it, and it is not there' });
      },
      old(path) {
        const since = state?.behind.get(path) ?? now;
        behind.set(path, since);
        if (now - since < PUBLISH_SECONDS) return;
        findings.push({ kind: 'behind', what: path, why: 'it still has bytes that the log has replaced' });
      },
    },
    task,
  );
  return { read, behind, others: [...others] };
}

function witnessFindings(cosigned: SignedCheckpoint['cosigned'], { policy, maxAgeSeconds }: AuditRequest): Finding[] {
  const findings: Finding[] = [];
  if (!isQuorum(policy.quorum, cosigned)) {
    const why = `${cosigned.size} of ${policy.witnesses.length} witnesses have cosigned it, which is too few for the policy`;
    findings.push({ kind: 'unwitnessed', what: 'log', why });
  }
  const age = Math.floor(Date.now() / 1000) - Math.max(0, ...cosigned.values());
  if (maxAgeSeconds !== undefined && age > maxAgeSeconds) {
    const why = cosigned.size === 0 ? 'no witness says how old it is' : `it was cosigned ${formatSeconds(age)} ago`;
    findings.push({ kind: 'stale', what: 'log', why });
  }
  return findings;
}

/** Takes the entries from one on into the ledger. */
async function takeEntries(
  tree: TileTree,
  from: number,
  { ledger, url, touched, findings }: { ledger: Ledger; url: string; touched: Set<string>; findings: Finding[] },
  task: Task,
): Promise<void> {
  for (let bundle = Math.floor(from / TILE_WIDTH); bundle * TILE_WIDTH < tree.size; bundle += 1) {
    task.signal.throwIfAborted();
    for (const [offset, bytes] of (await tree.bundle(bundle)).entries()) {
      const index = bundle * TILE_WIDTH + offset;
      if (index < from) continue;
      try {
        const entry = parseEntry(bytes, { file: `log, entry ${index}` });
        if (entry) for (const path of takeEntry(ledger, entry, loggedUrl(url))) touched.add(path);
      } catch (error) {
        if (!(error instanceof NightlyError && error.code === 'log')) throw error;
        findings.push({ kind: 'bad-log', what: `entry ${index}`, why: error.message });
      }
    }
    task.progress(Math.min(tree.size, (bundle + 1) * TILE_WIDTH), tree.size, 'objects');
  }
}

/**
 * Whether a file may be on one target and not on another, though one log is for both: public keys, tools, RPM repositories, and what a release
 * tells, which lies where its images are. Such a file must be there once it was.
 */
const isElsewhereToo = (path: string): boolean =>
  buildOf(path) === undefined || /^builds\/[^/]+\/[^/]+\/release\//.test(path);

/** Returns the build that a file is of, as `ID/ARCH`. */
const buildOf = (path: string): string | undefined => /^builds\/([^/]+\/[^/]+)\//.exec(path)?.[1];

/** Files to read: those of builds that the index names, and those of no build. An entry whose build never became visible is harmless. */
function dueFiles(
  { files }: Ledger,
  touched: ReadonlySet<string> | undefined,
  again: readonly string[],
  builds: ReadonlySet<string>,
) {
  const paths = touched ? new Set([...touched, ...again]) : files.keys();
  return [...paths].flatMap((path) => {
    const digests = files.get(path);
    const key = buildOf(path);
    return digests && (key === undefined || builds.has(key)) ? [{ path, digests }] : [];
  });
}
