import { createWriteStream } from 'node:fs';
import { copyFile, readFile } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import pRetry, { AbortError } from 'p-retry';
import { withoutUserinfo } from '../tools/redact.ts';
import type { Task } from '../tools/task.ts';

const TRIES = 4;
const TIME_LIMIT_MS = 30_000;

/**
 * Reads a file, into memory, from a `file:`, `http:` or `https:` URL. Server errors (5xx, 429) and network faults are tried
 * again a few times with growing pauses; anything else is final.
 * @throws Error with a message for people.
 */
export async function fetchBytes(url: string, task: Task, timeLimitMs = TIME_LIMIT_MS): Promise<Uint8Array> {
  if (url.startsWith('file:')) return readFile(fileURLToPath(url));
  return pRetry(() => fetchOnce(url, task, timeLimitMs), {
    retries: TRIES - 1,
    minTimeout: 300,
    factor: 3,
    signal: task.signal,
    onFailedAttempt: ({ error, retriesLeft }) => {
      if (retriesLeft > 0) task.say(`${url}: ${error.message}; trying again`);
    },
  });
}

async function fetchOnce(url: string, task: Task, timeLimitMs: number): Promise<Uint8Array> {
  return new Uint8Array(await (await request(url, task, timeLimitMs)).arrayBuffer());
}

/** The answer, if it is a good one. */
async function request(url: string, task: Task, timeLimitMs: number): Promise<Response> {
  let response: Response;
  try {
    // Identical checksums decide "unchanged": a cache in between must not answer with yesterday's file.
    response = await fetch(withoutUserinfo(url), {
      signal: AbortSignal.any([task.signal, AbortSignal.timeout(timeLimitMs)]),
      headers: { 'cache-control': 'no-cache', ...credentialsIn(url) },
    });
  } catch (error) {
    // Node says only "fetch failed"; what failed is in the cause. p-retry takes a bare TypeError for a programming error.
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause.message : String(error);
    throw new Error(cause, { cause: error });
  }
  if (response.ok) return response;
  await response.body?.cancel();
  const message = `HTTP ${response.status} ${response.statusText}`.trim();
  if (response.status >= 500 || response.status === 429) throw new Error(message);
  throw new AbortError(message);
}

/** User and password of a URL as a header: fetch() refuses such URLs, and curl, which dnf uses, does the same with them. */
function credentialsIn(url: string): { authorization?: string } {
  const { username, password } = new URL(url);
  if (username === '' && password === '') return {};
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return { authorization: `Basic ${Buffer.from(pair).toString('base64')}` };
}

/** A package of some hundred MB over a slow line. */
const FILE_TIME_LIMIT_MS = 1_800_000;

/**
 * Copies a file from a `file:`, `http:` or `https:` URL to a path, without having it in memory; tried again on passing
 * faults. The caller checks what came, and that nothing is there of the same name when it fails.
 * @throws Error with a message for people.
 */
export async function fetchFile(url: string, path: string, task: Task): Promise<void> {
  if (url.startsWith('file:')) return copyFile(fileURLToPath(url), path);
  await pRetry(
    async () => {
      const response = await request(url, task, FILE_TIME_LIMIT_MS);
      if (response.body) await pipeline(Readable.fromWeb(response.body), createWriteStream(path));
    },
    { retries: TRIES - 1, minTimeout: 300, factor: 3, signal: task.signal },
  );
}
