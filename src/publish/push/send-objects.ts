import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Task } from '../../base/task.ts';
import { readDetached } from '../../ostree/detached.ts';
import { isWhole, type LocalRepo } from '../../ostree/local-repo.ts';
import { localObjects, objectPath } from '../../ostree/objects.ts';
import { type NewObject, walkNew } from '../../ostree/tree-walk.ts';
import type { PathList } from '../publish-phases.ts';
import {
  type FarState,
  ID_BYTES,
  idOfPath,
  MESSAGES,
  message,
  objectHeader,
  readMessage,
  refusalError,
} from './push-protocol.ts';
import type { PushedRef } from './pushed-ref.ts';
import type { ReceiverLine } from './receiver-line.ts';

/** What is pushed. */
export interface Offer {
  readonly source: LocalRepo;
  readonly refs: readonly PushedRef[];
}

/** Yields what the far side lacks but for commits, each once. It is asked only where the commit to compare with is not here. */
export async function* missingObjects(
  far: ReceiverLine,
  { refs: state }: FarState,
  { source, refs }: Offer,
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

async function askAll({ write }: ReceiverLine, objects: readonly NewObject[]): Promise<void> {
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
export async function commitFiles({ source, refs }: Offer, { refs: state }: FarState): Promise<SmallFile[]> {
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
export async function sendObjects(
  { write }: ReceiverLine,
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
