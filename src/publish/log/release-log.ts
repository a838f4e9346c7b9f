import { dirname, join } from 'node:path';
import { makeFolder, sha256 } from '../../base/files.ts';
import type { Task } from '../../base/task.ts';
import { Turns } from '../../base/turns.ts';
import type { Config, LogConfig } from '../../config/config.ts';
import type { NoteKey } from '../../log/note-keys.ts';
import { takeFlock } from '../../programs/flock.ts';
import { formatEntry, type LogEntry } from '../../published/log-entry.ts';
import { keptSigner } from '../../signing/kept.ts';
import { openLogKey } from '../../signing/log-key.ts';
import { openSigner } from '../../signing/open-signer.ts';
import { openTarget } from '../../targets/open-target.ts';
import type { Target } from '../../targets/target.ts';
import { appendToLog } from './append.ts';
import { copyLog } from './copy-log.ts';
import { type LogHead, openLog, readLogHead } from './log-files.ts';
import { proofsOf, sendProofs } from './log-proofs.ts';
import { logStatePath } from './log-state.ts';
import { type LogGate, logGate, NO_LOG } from './logged.ts';
import { readPolicy, witnessLog } from './witness-log.ts';

/** The log of all that is published, opened for writing. */
export interface ReleaseLog {
  readonly config: LogConfig;
  readonly key: NoteKey;
  readonly home: Target;
  readonly copies: readonly Target[];
  /** Adds entries at home, and has them witnessed. @returns where they are. @throws what `appendToLog` and `witnessLog` throw */
  append(entries: readonly LogEntry[], task: Task): Promise<readonly number[]>;
  /** The same for bytes as they are, of others' formats. */
  appendBytes(bytes: Buffer, task: Task): Promise<readonly number[]>;
  /** Who is asked before something becomes visible. */
  readonly gate: LogGate;
  /** Brings the copy on a target up to date; does nothing for one without. @throws what `copyLog` throws */
  copyTo(target: Target, task: Task): Promise<void>;
}

/** Appends of this process, by the file that each is noted in: one after the other. */
const running = new Turns();

/** A configuration that keeps a log. */
export type LoggedConfig = Config & { readonly log: LogConfig };

/** Whether a configuration keeps a log. */
export const keepsLog = (config: Config): config is LoggedConfig => config.log !== undefined;

/** Opens the log of a configuration. @throws NightlyError `signing`, `config`, `log`. */
export async function openReleaseLog({ log, work, targets }: LoggedConfig): Promise<ReleaseLog> {
  const [key, policy] = await Promise.all([openLogKey(log), readPolicy(log)]);
  const open = (name: string): Target[] => [targets[name] ?? []].flat().map(openTarget);
  const [home] = open(log.home);
  if (home === undefined) throw new RangeError(`the configuration passed its checks without the target ${log.home}`);
  const copies = log.copies.flatMap(open);
  const state = logStatePath(work);
  const signers = (log.signing ?? []).map((one) => keptSigner(openSigner(one), join(work, 'signatures')));
  const append = (entries: readonly (readonly Buffer[])[], task: Task): Promise<readonly number[]> =>
    inTurn(state, task, async () => {
      const { indices, head } = await appendToLog(entries, { home, key, state }, task);
      await witnessed(head, Math.min(head.checkpoint.size, ...indices), task);
      return indices;
    });
  const witnessed = (head: LogHead, before: number, task: Task): Promise<LogHead> =>
    witnessLog(head, { home, key, policy, witnesses: log.witnesses, signers }, before, task);
  return {
    config: log,
    key,
    home,
    copies,
    append: (entries, task) => append(entries.map(formatEntry), task),
    appendBytes: (bytes, task) => append([[bytes]], task),
    gate: gateOf({ append, witnessed }, loggedHere(state), { home, key, copies }),
    async copyTo(target, task) {
      if (isAmong(target, copies))
        await copyLog({ home, head: await readLogHead(home, { log: key }, task), key }, target, task);
    },
  };
}

/** Returns who is asked before something of a configuration becomes visible. @throws as `openReleaseLog` */
export async function openLogGate(config: Config): Promise<LogGate> {
  return keepsLog(config) ? (await openReleaseLog(config)).gate : NO_LOG;
}

/** Other processes wait as well: what is published of koji's tags does not take the run lock. */
function inTurn<Result>(state: string, task: Task, work: () => Promise<Result>): Promise<Result> {
  return running.take(state, async () => {
    await makeFolder(dirname(state));
    const free = await takeFlock(`${state}.lock`, task);
    try {
      return await work();
    } finally {
      await free();
    }
  });
}

interface Places {
  readonly home: Target;
  readonly key: NoteKey;
  readonly copies: readonly Target[];
}

const isAmong = ({ name }: Target, targets: readonly Target[]): boolean => targets.some((one) => one.name === name);

/** Indices of entries that this process has logged, by their digest. */
type Logged = Map<string, Promise<readonly number[]>>;

/** Keyed by the file that appends are noted in: each step opens the log itself. */
const loggedBefore = new Map<string, Logged>();

function loggedHere(state: string): Logged {
  const known = loggedBefore.get(state) ?? new Map();
  loggedBefore.set(state, known);
  return known;
}

interface Growth {
  append(entries: readonly (readonly Buffer[])[], task: Task): Promise<readonly number[]>;
  witnessed(head: LogHead, before: number, task: Task): Promise<LogHead>;
}

/** Logs each entry once in the life of this process, whichever target asks first, and brings each target up to it. */
function gateOf({ append, witnessed }: Growth, logged: Logged, { home, key, copies }: Places): LogGate {
  const logOnce = (entry: readonly Buffer[], task: Task): Promise<readonly number[]> => {
    const name = sha256(Buffer.concat([...entry]));
    const known = logged.get(name) ?? append([entry], task);
    logged.set(name, known);
    // What failed is tried again by whoever asks next.
    known.catch(() => logged.delete(name));
    return known;
  };
  return logGate(async (entries, target, task) => {
    const indices: number[] = [];
    for (const entry of entries) indices.push(...(await logOnce(entry, task)));
    const isCopy = isAmong(target, copies);
    if (!isCopy && target.name !== home.name) return;
    const newest = await readLogHead(home, { log: key }, task);
    // Another machine may have gone on meanwhile, and not have its signatures yet: proofs and copies are to have them all.
    const head = await witnessed(newest, newest.checkpoint.size, task);
    const proofs = await proofsOf(await openLog(home, head, task), head, indices);
    if (isCopy) await copyLog({ home, head, key }, target, task);
    await sendProofs(proofs, target, task);
  });
}
