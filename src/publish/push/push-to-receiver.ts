import { join } from 'node:path';
import { NightlyError } from '../../base/errors.ts';
import { makeFolder, withTemporaryFolder } from '../../base/files.ts';
import { formatBytes, formatCount } from '../../base/format.ts';
import type { Task } from '../../base/task.ts';
import { isWhole } from '../../ostree/local-repo.ts';
import { localObjects, readCommit } from '../../ostree/objects.ts';
import { stageObjects } from '../../ostree/stage-objects.ts';
import { walkNew } from '../../ostree/tree-walk.ts';
import { initRepo } from '../../programs/ostree.ts';
import { objectPhase, type PublishPhase } from '../publish-phases.ts';
import {
  type Accepted,
  type FarState,
  type Hello,
  MESSAGES,
  message,
  parseMessage,
  readMessage,
  refusalError,
} from './push-protocol.ts';
import { requireMove } from './pushed-ref.ts';
import type { PushedResult } from './pushed-result.ts';
import type { ReceiverLine } from './receiver-line.ts';
import { commitFiles, missingObjects, type Offer, sendObjects } from './send-objects.ts';

export interface ReceiverPush extends Offer {
  readonly forceOlder: boolean;
  readonly deltas: boolean;
  readonly pruneTo?: number | undefined;
  readonly dryRun: boolean;
  /** Folder for what is on its way. */
  readonly stateDir: string;
}

/** What a push came to, and where clients read it, when the far side says so. */
export interface ReceiverResult {
  readonly refs: readonly PushedResult[];
  readonly url?: string;
}

/**
 * Pushes to an account whose only command is `receive`: one connection, one stream each way, and as many round trips for a
 * million objects as for one.
 * @returns undefined when that account takes no pushes: it may have a shell
 * @throws NightlyError with the far side's reason when it refuses, `target-unreachable`, `target-permission`, `target-host-key`.
 */
export async function pushToReceiver(
  line: ReceiverLine,
  request: ReceiverPush,
  task: Task,
): Promise<ReceiverResult | undefined> {
  try {
    const greeting = greet(line, await helloOf(request, line));
    greeting.catch(() => undefined);
    // Meanwhile the far side starts: as a rule it has the parent, and what follows from that is found out by then.
    const ahead = await walkAhead(request, task);
    const state = await greeting;
    if (state !== undefined) return await converseWith(line, { state, ahead }, request, task);
    await line.hangUp();
    return undefined;
  } catch (error) {
    task.signal.throwIfAborted();
    throw await line.causeOf(error);
  } finally {
    line.close();
  }
}

async function helloOf(
  { source, refs, forceOlder, deltas, pruneTo, dryRun }: ReceiverPush,
  { place }: ReceiverLine,
): Promise<Hello> {
  const named = refs.map(async ({ ref, commit, isTag }) => {
    const { parent } = await readCommit(source.path, commit);
    return { ref, commit, tag: isTag, ...(parent === undefined ? {} : { parent }) };
  });
  return {
    push: 1,
    root: place.path.replace(/^\/+|\/+$/g, ''),
    refs: await Promise.all(named),
    older: forceOlder,
    deltas,
    ...(pruneTo === undefined ? {} : { keep: pruneTo }),
    dry: dryRun,
  };
}

/** Returns undefined when what answers, if anything does, is no `receive`. */
async function greet({ reader, name, write }: ReceiverLine, hello: Hello): Promise<FarState | undefined> {
  // Whatever answers may have ended before it was asked: what it said, or its end, is read all the same.
  await write(message(hello)).catch(() => undefined);
  const line = await reader.line(1 << 20).catch(() => undefined);
  if (line === undefined || !/^\{"(push|refused)":/.test(line)) return undefined;
  const answer = parseMessage(line, MESSAGES.state);
  if ('refused' in answer) throw refusalError(answer.refused, name);
  if (answer.refs.length === hello.refs.length) return answer;
  throw new NightlyError('unsupported', `${name} answers for ${answer.refs.length} of ${hello.refs.length} refs.`, {
    hint: 'Use the same version of atomic-nightly on both sides.',
  });
}

/** What a commit has that its parent has not; undefined where that is not known. */
type Ahead = { readonly parent: string; readonly objects: PublishPhase } | undefined;

async function walkAhead({ source, refs: [only, ...others] }: ReceiverPush, task: Task): Promise<Ahead> {
  if (source.mode !== 'archive' || only === undefined || others.length > 0) return undefined;
  const { parent } = await readCommit(source.path, only.commit);
  if (parent === undefined || !isWhole(source, parent)) return undefined;
  const read = localObjects(source.path);
  const objects = objectPhase(source.path, walkNew(only.commit, parent, { readNew: read, readOld: read }), task);
  // Reported by the real run, if it comes to that.
  return objects.then(
    (found) => ({ parent, objects: found }),
    () => undefined,
  );
}

async function converseWith(
  far: ReceiverLine,
  { state, ahead }: { readonly state: FarState; readonly ahead: Ahead },
  request: ReceiverPush,
  task: Task,
): Promise<ReceiverResult> {
  const { refs, stateDir, source, dryRun } = request;
  await makeFolder(stateDir);
  return withTemporaryFolder(async (folder) => {
    const staging = join(folder, 'repo');
    const repo = source.mode === 'archive' ? source.path : staging;
    const find = async (): Promise<PublishPhase> => {
      const wanted = missingObjects(far, state, request, task);
      if (repo === staging) await initRepo(staging, 'archive', task);
      const ready = source.mode === 'archive' ? wanted : stageObjects(source, staging, wanted, task);
      return objectPhase(repo, ready, task);
    };
    const isAhead = ahead !== undefined && ahead.parent === state.refs[0]?.base;
    const { paths, bytes } = isAhead ? ahead.objects : await find();
    const commits = await commitFiles(request, state);
    const all = bytes + commits.reduce((sum, { content }) => sum + content.length, 0);
    const files = paths.length + commits.length;
    const results = refs.map(({ ref, commit }, index): PushedResult => {
      const at = state.refs[index]?.at;
      return { ref, ...(at === undefined ? {} : { from: at }), to: commit, files, bytes: all };
    });
    if (dryRun) {
      await checkMoves(request, state, far);
      return { refs: results };
    }
    task.say(`${formatCount(files, 'file')}, ${formatBytes(all)} to ${far.name}`);
    const sending = sendObjects(far, repo, { paths, commits, files, bytes: all }, task);
    sending.catch(() => undefined);
    const accepted = await verdict(far, task);
    await sending;
    return { refs: results, ...(accepted.url === undefined ? {} : { url: accepted.url }) };
  }, stateDir);
}

/** What the far side refuses by itself is seen before anything is sent, as far as both commits are here. */
async function checkMoves(
  { source, refs, forceOlder }: ReceiverPush,
  state: FarState,
  { place }: ReceiverLine,
): Promise<void> {
  for (const [index, one] of refs.entries()) {
    const at = state.refs[index]?.at;
    const before = at !== undefined && isWhole(source, at) ? await readCommit(source.path, at) : undefined;
    const far = at === undefined || !before ? undefined : { commit: at, timestamp: before.timestamp };
    requireMove(one, await readCommit(source.path, one.commit), far, { forceOlder, place: place.account });
  }
}

/** Passes on what the far side says until it accepts. @throws NightlyError with its reason when it refuses. */
async function verdict({ reader, name }: ReceiverLine, task: Task): Promise<Accepted> {
  for (;;) {
    const answer = await readMessage(reader, MESSAGES.verdict);
    if ('refused' in answer) throw refusalError(answer.refused, name);
    if ('accepted' in answer) return answer.accepted;
    for (const line of answer.say.split('\n')) task.say(`${name}: ${line}`);
  }
}
