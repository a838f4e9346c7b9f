import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type ByteReader, byteReader, EndedEarly } from '../../base/byte-reader.ts';
import { NightlyError } from '../../base/errors.ts';
import { withTemporaryFolder } from '../../base/files.ts';
import { formatBytes } from '../../base/format.ts';
import type { Task } from '../../base/task.ts';
import { readDetached } from '../../ostree/detached.ts';
import { isWhole, type LocalRepo } from '../../ostree/local-repo.ts';
import { localObjects, objectPath, readCommit } from '../../ostree/objects.ts';
import { stageObjects } from '../../ostree/stage-objects.ts';
import { type NewObject, walkNew } from '../../ostree/tree-walk.ts';
import { converse } from '../../programs/converse.ts';
import { initRepo } from '../../programs/ostree.ts';
import { remoteFault } from '../../programs/remote-fault.ts';
import { sshArguments } from '../../programs/ssh.ts';
import type { SshPlace } from '../../targets/target-url.ts';
import { objectPhase, type PathList, type PublishPhase } from '../publish-phases.ts';
import {
  type Accepted,
  type FarState,
  type Hello,
  ID_BYTES,
  idOfPath,
  MESSAGES,
  message,
  objectHeader,
  PUSH_COMMAND,
  parseMessage,
  readMessage,
  refusalError,
} from './push-protocol.ts';
import type { PushedResult } from './push-to-target.ts';
import { type PushedRef, requireMove } from './pushed-ref.ts';

export interface ReceiverPush {
  readonly source: LocalRepo;
  readonly place: SshPlace;
  readonly refs: readonly PushedRef[];
  readonly forceOlder: boolean;
  readonly deltas: boolean;
  readonly pruneTo?: number;
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
export async function pushToReceiver(request: ReceiverPush, task: Task): Promise<ReceiverResult | undefined> {
  const { place } = request;
  const destination = `${place.account}:${place.path}`;
  const ssh = converse(
    'ssh',
    [...sshArguments(place.ssh), '-T', '--', place.account.replace(/\[(.*)\]$/, '$1'), PUSH_COMMAND],
    {
      task,
      okExitCodes: NOT_OF_SSH,
    },
  );
  task.signal.addEventListener('abort', ssh.kill, { once: true });
  const ended = new AbortController();
  void ssh.ended.catch(() => undefined).then(() => ended.abort());
  const far: FarEnd = {
    reader: byteReader(ssh.stdout),
    name: destination,
    async write(bytes) {
      if (!ssh.stdin.write(bytes)) await once(ssh.stdin, 'drain', { signal: ended.signal });
    },
  };
  // What ssh itself has to say of its end is the cause.
  const hangUp = async (): Promise<void> => {
    ssh.stdin.end();
    await ssh.ended.catch((reason: unknown) => {
      throw reason instanceof NightlyError ? remoteFault(reason, destination) : reason;
    });
  };
  try {
    const greeting = greet(far, await helloOf(request));
    greeting.catch(() => undefined);
    // Meanwhile the far side starts: as a rule it has the parent, and what follows from that is found out by then.
    const ahead = await walkAhead(request, task);
    const state = await greeting;
    if (state === undefined) {
      await hangUp();
      return undefined;
    }
    const result = await converseWith(far, { state, ahead }, request, task);
    ssh.stdin.end();
    await ssh.ended;
    return result;
  } catch (error) {
    task.signal.throwIfAborted();
    // Anything else is a fault of its own.
    if (!(error instanceof EndedEarly) && !ended.signal.aborted) throw error;
    if (error instanceof NightlyError) throw error;
    await hangUp();
    throw new NightlyError('target-unreachable', `The connection to ${destination} ended early.`, {
      hint: 'Run the same push again.',
      cause: error,
    });
  } finally {
    task.signal.removeEventListener('abort', ssh.kill);
    ssh.kill();
  }
}

/** Exit codes of the far command; 255 is that of ssh itself. */
const NOT_OF_SSH = Array.from({ length: 255 }, (_, code) => code);

interface FarEnd {
  readonly reader: ByteReader;
  readonly name: string;
  write(bytes: Uint8Array | string): Promise<void>;
}

async function helloOf({ source, place, refs, forceOlder, deltas, pruneTo, dryRun }: ReceiverPush): Promise<Hello> {
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
async function greet({ reader, name, write }: FarEnd, hello: Hello): Promise<FarState | undefined> {
  await write(message(hello));
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
  far: FarEnd,
  { state, ahead }: { readonly state: FarState; readonly ahead: Ahead },
  request: ReceiverPush,
  task: Task,
): Promise<ReceiverResult> {
  const { refs, stateDir, source, dryRun } = request;
  await mkdir(stateDir, { recursive: true });
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
      await checkMoves(request, state);
      return { refs: results };
    }
    task.say(`${files} files, ${formatBytes(all)} to ${far.name}`);
    const sending = send(far, repo, { paths, commits, files, bytes: all }, task);
    sending.catch(() => undefined);
    const accepted = await verdict(far, task);
    await sending;
    return { refs: results, ...(accepted.url === undefined ? {} : { url: accepted.url }) };
  }, stateDir);
}

/** What the far side refuses by itself is seen before anything is sent, as far as both commits are here. */
async function checkMoves({ source, refs, forceOlder, place }: ReceiverPush, state: FarState): Promise<void> {
  for (const [index, one] of refs.entries()) {
    const at = state.refs[index]?.at;
    const before = at !== undefined && isWhole(source, at) ? await readCommit(source.path, at) : undefined;
    const far = at === undefined || !before ? undefined : { commit: at, timestamp: before.timestamp };
    requireMove(one, await readCommit(source.path, one.commit), far, { forceOlder, place: place.account });
  }
}

/** Yields what the far side lacks but for commits, each once. It is asked only where the commit to compare with is not here. */
async function* missingObjects(
  far: FarEnd,
  { refs: state }: FarState,
  { source, refs }: ReceiverPush,
  task: Task,
): AsyncGenerator<NewObject> {
  const read = localObjects(source.path);
  const seen = refs.length > 1 ? new Set<string>() : undefined;
  const unsure: NewObject[] = [];
  for (const [index, { commit }] of refs.entries()) {
    const base = state[index]?.base;
    if (base === commit || refs.findIndex((other) => other.commit === commit) < index) continue;
    const isKnown = base !== undefined && isWhole(source, base);
    for await (const object of walkNew(commit, isKnown ? base : undefined, { readNew: read, readOld: read })) {
      if (object.type === 'commit' || seen?.has(object.path)) continue;
      seen?.add(object.path);
      if (isKnown) yield object;
      else unsure.push(object);
    }
  }
  if (unsure.length === 0) return;
  task.say(`asking ${far.name} which of ${unsure.length} objects it has`);
  const asking = askAll(far, unsure);
  asking.catch(() => undefined);
  const answer = await readMessage(far.reader, MESSAGES.have);
  if ('refused' in answer) throw refusalError(answer.refused, far.name);
  const bits = await far.reader.bytes(Math.ceil(unsure.length / 8));
  await asking;
  for (const [index, object] of unsure.entries()) {
    if (((bits[index >> 3] ?? 0) & (1 << (index & 7))) === 0) yield object;
  }
}

async function askAll({ write }: FarEnd, objects: readonly NewObject[]): Promise<void> {
  await write(message({ ask: objects.length }));
  for (let at = 0; at < objects.length; at += 1000) {
    await write(
      Buffer.concat(
        objects.slice(at, at + 1000).map(({ path }) => idOfPath(path)),
        Math.min(1000, objects.length - at) * ID_BYTES,
      ),
    );
  }
}

interface SmallFile {
  readonly path: string;
  readonly content: Uint8Array;
}

/** The commits and their detached metadata, which go last. */
async function commitFiles({ source, refs }: ReceiverPush, { refs: state }: FarState): Promise<SmallFile[]> {
  const files = new Map<string, Uint8Array>();
  for (const [index, { commit }] of refs.entries()) {
    const path = objectPath(commit, 'commit');
    if (state[index]?.base !== commit) files.set(path, readFileSync(join(source.path, path)));
    const detached = await readDetached(source.path, commit);
    if (detached) files.set(objectPath(commit, 'commitmeta'), detached);
  }
  return [...files].map(([path, content]) => ({ path, content }));
}

interface Sent {
  readonly paths: PathList;
  readonly commits: readonly SmallFile[];
  readonly files: number;
  readonly bytes: number;
}

/** Small objects go out together, in pieces of this size. */
const PIECE = 1 << 18;

/** Writes the stream of objects. It ends early when the far side has refused meanwhile. */
async function send(
  { write }: FarEnd,
  repo: string,
  { paths, commits, files, bytes }: Sent,
  task: Task,
): Promise<void> {
  await write(message({ objects: files, bytes }));
  let piece: Buffer[] = [];
  let held = 0;
  let done = 0;
  const flush = async (): Promise<void> => {
    await write(Buffer.concat(piece, held));
    [piece, held] = [[], 0];
    task.progress(done, files, 'objects');
  };
  const add = async (path: string, content: Uint8Array): Promise<void> => {
    const header = objectHeader(path, content.length);
    piece.push(header, Buffer.from(content.buffer, content.byteOffset, content.byteLength));
    held += header.length + content.length;
    done += 1;
    if (held >= PIECE) await flush();
  };
  for (const path of paths) {
    task.signal.throwIfAborted();
    // Whole files: content of many MB is rare, and each is let go as soon as it is written.
    await add(path, readFileSync(join(repo, path)));
  }
  for (const { path, content } of commits) await add(path, content);
  await flush();
  await write(message({ end: files }));
}

/** Passes on what the far side says until it accepts. @throws NightlyError with its reason when it refuses. */
async function verdict({ reader, name }: FarEnd, task: Task): Promise<Accepted> {
  for (;;) {
    const answer = await readMessage(reader, MESSAGES.verdict);
    if ('refused' in answer) throw refusalError(answer.refused, name);
    if ('accepted' in answer) return answer.accepted;
    for (const line of answer.say.split('\n')) task.say(`${name}: ${line}`);
  }
}
