import { setTimeout as sleep } from 'node:timers/promises';
import { RefusedConnection, reasonOf } from '../base/connection-faults.ts';
import { type HttpResponse, httpFetch } from '../base/http.ts';
import { runningLimit } from '../base/running-time.ts';
import { MOST_ANSWER_BYTES, type RawAnswer } from './witness-answer.ts';

/** How long a witness is waited for, in milliseconds. */
export interface Patience {
  /** Limit of the whole exchange. */
  readonly totalMs: number;
  /** Limit of the time without a byte. */
  readonly silentMs: number;
}

/** A witness answers within a tenth of a second; one that has to start first takes longer. */
export const PATIENCE: Patience = { totalMs: 60_000, silentMs: 15_000 };

/** Between tries, when a server is on its way back; longer each time. */
const PAUSE_MS = 250;
const TRIES = 4;

/**
 * Posts a request to a witness and returns what came back. Passing faults (no connection, a server that fails, too many requests) are tried again.
 * @param url of add-checkpoint
 * @throws Error whose message says what failed, as a part of a sentence; the signal's reason when it was aborted.
 */
export async function postCheckpoint(
  url: string,
  body: string,
  { totalMs, silentMs }: Patience,
  signal: AbortSignal,
): Promise<RawAnswer> {
  const over = new AbortController();
  const limit = runningLimit(totalMs, () => over.abort());
  try {
    return await tried(url, body, { totalMs, silentMs }, { signal, end: AbortSignal.any([signal, over.signal]) });
  } finally {
    limit.end();
  }
}

async function tried(
  url: string,
  body: string,
  { totalMs, silentMs }: Patience,
  { signal, end }: { readonly signal: AbortSignal; readonly end: AbortSignal },
): Promise<RawAnswer> {
  // What the last try came to says more than that the time is over.
  let last: RawAnswer | Error = new Error(`it did not answer within ${totalMs / 1000} s`);
  for (let attempt = 1; attempt <= TRIES && !end.aborted; attempt += 1) {
    try {
      last = await postOnce(url, body, silentMs, end);
      if (last.status !== 429 && last.status < 500) return last;
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof RefusedConnection || error instanceof TooLong) throw error;
      if (end.aborted) break;
      last = new Error(reasonOf(error));
    }
    if (attempt < TRIES) await sleep(PAUSE_MS * 2 ** attempt, undefined, { signal: end }).catch(() => undefined);
    signal.throwIfAborted();
  }
  if (last instanceof Error) throw last;
  return last;
}

/** Trying again leads to the same. */
class TooLong extends Error {}

async function postOnce(url: string, body: string, silentMs: number, end: AbortSignal): Promise<RawAnswer> {
  const silence = new AbortController();
  const limit = runningLimit(silentMs, () => silence.abort());
  try {
    const response = await httpFetch(url, {
      method: 'POST',
      body,
      headers: { 'content-type': 'text/plain; charset=utf-8' },
      redirect: 'error',
      signal: AbortSignal.any([end, silence.signal]),
    });
    limit.again();
    const contentType = response.headers.get('content-type') ?? '';
    return { status: response.status, contentType, body: await readBounded(response, limit.again) };
  } catch (error) {
    if (silence.signal.aborted) throw new Error(`nothing came from it for ${silentMs / 1000} s`);
    throw error;
  } finally {
    limit.end();
  }
}

async function readBounded(response: HttpResponse, alive: () => void): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of response.body ?? []) {
    alive();
    bytes += part.length;
    if (bytes > MOST_ANSWER_BYTES) throw new TooLong(`its answer has more than ${MOST_ANSWER_BYTES} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts);
}
