import { setTimeout as pause } from 'node:timers/promises';
import { z } from 'zod';
import { reasonOf } from '../base/connection-faults.ts';
import { NightlyError } from '../base/errors.ts';
import { bodyOf, httpFetch } from '../base/http.ts';
import { readRecordIfGood, recordFormat } from '../base/read-record.ts';
import type { Task } from '../base/task.ts';
import { openCheckpoint } from '../log/checkpoint.ts';
import { proveInclusion } from '../log/inclusion.ts';
import type { NoteKey } from '../log/note-keys.ts';
import { openTileTree } from '../log/tile-tree.ts';
import {
  type LoggedSignature,
  parseRekorEntry,
  type RekorEntry,
  rekorEntry,
  rekorRequest,
  verifyRekorEntry,
} from './rekor-entry.ts';

/** A Rekor log, version 2. */
export interface RekorLog {
  /** Without a slash at its end. */
  readonly url: string;
  /** Signs its checkpoints. */
  readonly key: NoteKey;
}

/** A log answers once its next checkpoint is signed, which takes up to 10 seconds. */
const ANSWER_MS = 30_000;
const TRIES = 4;
const PAUSE_MS = 500;
/** An answer has a body of a few hundred bytes, and at most 63 hashes. */
const MOST_BYTES = 1_048_576;

/** What a log says that has the entry already. */
const CONFLICT = recordFormat({ schema: z.looseObject({ message: z.string() }), hint: '' });

/**
 * Has a log take a signature, and returns its entry, verified. One that the log has already, because an earlier run was cut off before it
 * had the answer, is looked up in the log's tiles.
 * @throws NightlyError `unwitnessed` when the log gives no answer or takes nothing, `log` or `record` when its answer proves nothing.
 */
export async function logInRekor(wanted: LoggedSignature, log: RekorLog, task: Task): Promise<RekorEntry> {
  const url = `${log.url}/api/v2/log/entries`;
  const request = { method: 'POST', body: rekorRequest(wanted), headers: { 'content-type': 'application/json' } };
  const { status, body } = await asked(url, request, log, task);
  if (status === 409) return adopted(wanted, log, conflictAt(body, log), task);
  if (status !== 200 && status !== 201) throw noEntry(log, `it answered with HTTP status ${status}`);
  const entry = parseRekorEntry(body, url);
  verifyRekorEntry(entry, wanted, log.key, url);
  return entry;
}

/** Returns the index that the log names. */
function conflictAt(body: Uint8Array, log: RekorLog): number {
  const message = readRecordIfGood(body, CONFLICT)?.message ?? '';
  const [, index] = /\bindex (\d{1,15})\b/.exec(message) ?? [];
  if (index === undefined) throw noEntry(log, 'it has the entry already, and does not say where');
  return Number(index);
}

async function adopted(wanted: LoggedSignature, log: RekorLog, index: number, task: Task): Promise<RekorEntry> {
  const { url, key } = log;
  const read = async (path: string): Promise<Uint8Array | undefined> => {
    const { status, body } = await asked(`${url}/api/v2/${path}`, { method: 'GET' }, log, task);
    if (status === 200) return body;
    if (status === 404) return undefined;
    throw noEntry(log, `it answered with HTTP status ${status} for ${path}`);
  };
  for (let tries = 1; ; tries += 1) {
    const note = await read('checkpoint');
    if (note === undefined) throw noEntry(log, 'it has no checkpoint');
    const checkpoint = openCheckpoint(note, { log: key }, { file: `${url}/api/v2/checkpoint` });
    const { size, root } = checkpoint;
    if (index < size) {
      const tree = await openTileTree(read, checkpoint, `${url}/api/v2`);
      const body = await tree.entry(index);
      const hashes = await proveInclusion(tree.nodeOf, index, size);
      const proven = { index, body, size, root, hashes, checkpoint: Buffer.from(note).toString() };
      const entry = rekorEntry(proven, key);
      verifyRekorEntry(entry, wanted, key, url);
      return entry;
    }
    if (tries === TRIES) throw noEntry(log, `its checkpoint does not have entry ${index} yet`);
    // It is in the next one.
    await pause(tries * 4 * PAUSE_MS, undefined, { signal: task.signal });
  }
}

/** Makes a request; passing faults (no connection, a server that fails, too many requests) are tried again. */
async function asked(
  url: string,
  init: { readonly method: string; readonly body?: string; readonly headers?: Readonly<Record<string, string>> },
  log: RekorLog,
  { signal }: Task,
): Promise<{ readonly status: number; readonly body: Uint8Array }> {
  let why = '';
  for (let tries = 1; tries <= TRIES; tries += 1) {
    try {
      const limit = AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)]);
      const response = await httpFetch(url, { ...init, redirect: 'error', signal: limit });
      const body = await bodyOf(response, undefined, MOST_BYTES);
      if (response.status !== 429 && response.status < 500) return { status: response.status, body };
      why = `it answered with HTTP status ${response.status}`;
    } catch (error) {
      signal.throwIfAborted();
      why = reasonOf(error);
    }
    if (tries < TRIES) await pause(tries * PAUSE_MS, undefined, { signal });
  }
  throw noEntry(log, why);
}

function noEntry({ url }: RekorLog, why: string): NightlyError {
  return new NightlyError('unwitnessed', `The transparency log ${url} has not taken the signed statement: ${why}.`, {
    hint: 'Nothing of the build is published without it. Once the log answers, "atomic-nightly resume" goes on there.',
  });
}
