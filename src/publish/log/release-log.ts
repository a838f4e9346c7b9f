import type { Task } from '../../base/task.ts';
import type { Config, LogConfig } from '../../config/config.ts';
import type { NoteKey } from '../../log/note-keys.ts';
import { formatEntry, type LogEntry } from '../../published/log-entry.ts';
import { openLogKey } from '../../signing/log-key.ts';
import { openTarget } from '../../targets/open-target.ts';
import type { Target } from '../../targets/target.ts';
import { appendToLog } from './append.ts';
import { copyLog } from './copy-log.ts';
import { type LogHead, openLog, readLogHead } from './log-files.ts';
import { entriesAt, type PublishedProof, proofsOf, sendProofs } from './log-proofs.ts';
import { logStatePath } from './log-state.ts';
import { asLogged, type Logged, notLogged } from './logged.ts';
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
  /** Says of entries of the log that they are there. Nothing is read before somebody asks. */
  at(indices: readonly number[]): Logged;
  /** Brings the copy on a target up to date; does nothing for one without. @throws what `copyLog` throws */
  copyTo(target: Target, task: Task): Promise<void>;
}

/** Appends of this process, by the file that each is noted in: one after the other. Other processes are kept out by the run lock. */
const running = new Map<string, Promise<unknown>>();

/** Opens the log of a configuration; undefined where none is kept. @throws NightlyError `signing`, `config`, `log`. */
export async function openReleaseLog(config: Config): Promise<ReleaseLog | undefined> {
  const { log, work, targets } = config;
  if (log === undefined) return undefined;
  const [key, policy] = await Promise.all([openLogKey(log), readPolicy(log)]);
  const open = (name: string): Target[] => [targets[name] ?? []].flat().map(openTarget);
  const [home] = open(log.home);
  if (home === undefined) throw new RangeError(`the configuration passed its checks without the target ${log.home}`);
  const copies = log.copies.flatMap(open);
  const state = logStatePath(work);
  const append = (entries: readonly (readonly Buffer[])[], task: Task): Promise<readonly number[]> =>
    inTurn(state, async () => {
      const { indices, head } = await appendToLog(entries, { home, key, state }, task);
      await witnessed(head, Math.min(head.checkpoint.size, ...indices), task);
      return indices;
    });
  const witnessed = async (head: LogHead, before: number, task: Task): Promise<void> => {
    if (policy) await witnessLog(head, { home, key, policy, witnesses: log.witnesses }, before, task);
  };
  const places: Places = { home, key, copies };
  return {
    config: log,
    key,
    home,
    copies,
    append: (entries, task) => append(entries.map(formatEntry), task),
    appendBytes: (bytes, task) => append([[bytes]], task),
    at: (indices) => loggedAt(indices, places),
    async copyTo(target, task) {
      if (isAmong(target, copies))
        await copyLog({ home, head: await readLogHead(home, { log: key }, task), key }, target, task);
    },
  };
}

async function inTurn<Result>(state: string, work: () => Promise<Result>): Promise<Result> {
  const mine = (running.get(state) ?? Promise.resolve()).then(work);
  const settled = mine.catch(() => undefined);
  running.set(state, settled);
  return mine;
}

interface Places {
  readonly home: Target;
  readonly key: NoteKey;
  readonly copies: readonly Target[];
}

const isAmong = ({ name }: Target, targets: readonly Target[]): boolean => targets.some((one) => one.name === name);

/** What is said here is read from the log, and so is true whoever noted the indices. */
function loggedAt(indices: readonly number[], { home, key, copies }: Places): Logged {
  let known: Promise<{ head: LogHead; names: ReadonlySet<string>; proofs: readonly PublishedProof[] }> | undefined;
  const read = async (task: Task) => {
    const head = await readLogHead(home, { log: key }, task);
    const tree = await openLog(home, head, task);
    const names = new Set<string>();
    for (const entry of await entriesAt(tree, indices)) names.add(nameOf(entry));
    return { head, names, proofs: await proofsOf(tree, head, indices) };
  };
  const ask = (task: Task) => {
    known ??= read(task);
    // What failed is tried again by whoever asks next.
    known.catch(() => {
      known = undefined;
    });
    return known;
  };
  const reached = new Map<string, Promise<void>>();
  const reach = async (target: Target, task: Task): Promise<void> => {
    const { head, proofs } = await ask(task);
    const isCopy = isAmong(target, copies);
    if (isCopy) await copyLog({ home, head, key }, target, task);
    if (isCopy || target.name === home.name) await sendProofs(proofs, target, task);
  };
  const requireName = async (name: string, what: string, target: Target, task: Task): Promise<void> => {
    if (!(await ask(task)).names.has(name)) throw notLogged(what);
    const under = reached.get(target.name) ?? reach(target, task);
    reached.set(target.name, under);
    under.catch(() => reached.delete(target.name));
    await under;
  };
  return asLogged({
    requireCommit: (ref, commit, target, task) =>
      requireName(commitName(ref, commit), `Commit ${commit.slice(0, 12)} of ${ref}`, target, task),
    requireBuild: (id, arch, target, task) => requireName(buildName(id, arch), `Build ${id} for ${arch}`, target, task),
  });
}

const commitName = (ref: string, commit: string): string => `commit ${ref} ${commit}`;
const buildName = (id: string, arch: string): string => `build ${id}/${arch}`;

function nameOf(entry: LogEntry | undefined): string {
  if (entry?.kind === 'ref') return commitName(entry.ref, entry.commit);
  if (entry?.kind === 'build' || entry?.kind === 'build-changed') return buildName(entry.id, entry.arch);
  return '';
}
