import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import pRetry, { AbortError } from 'p-retry';
import type { Task } from '../tools/task.ts';

const TRIES = 4;
const TIME_LIMIT_MS = 30_000;

/**
 * Reads a small file from a `file:`, `http:` or `https:` URL. Server errors (5xx, 429) and network faults are tried
 * again a few times with growing pauses; anything else is final.
 * @throws Error with a message for people.
 */
export async function fetchBytes(url: string, task: Task): Promise<Uint8Array> {
  if (url.startsWith('file:')) return readFile(fileURLToPath(url));
  return pRetry(() => fetchOnce(url, task), {
    retries: TRIES - 1,
    minTimeout: 300,
    factor: 3,
    signal: task.signal,
    onFailedAttempt: ({ error, retriesLeft }) => {
      if (retriesLeft > 0) task.say(`${url}: ${error.message}; trying again`);
    },
  });
}

async function fetchOnce(url: string, task: Task): Promise<Uint8Array> {
  let response: Response;
  try {
    // Identical checksums decide "unchanged": a cache in between must not answer with yesterday's file.
    response = await fetch(url, {
      signal: AbortSignal.any([task.signal, AbortSignal.timeout(TIME_LIMIT_MS)]),
      headers: { 'cache-control': 'no-cache' },
    });
  } catch (error) {
    // Node says only "fetch failed"; what failed is in the cause. p-retry takes a bare TypeError for a programming error.
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause.message : String(error);
    throw new Error(cause, { cause: error });
  }
  if (response.ok) return new Uint8Array(await response.arrayBuffer());
  await response.body?.cancel();
  const message = `HTTP ${response.status} ${response.statusText}`.trim();
  if (response.status >= 500 || response.status === 429) throw new Error(message);
  throw new AbortError(message);
}
