import { createWriteStream } from 'node:fs';
import { copyFile, readFile } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import pRetry, { AbortError } from 'p-retry';
import { type Connection, type HttpResponse, httpFetch, proxyAnswer, RefusedConnection } from '../base/http.ts';
import { redact } from '../base/redact.ts';
import type { Task } from '../base/task.ts';

const TRIES = 4;
const TIME_LIMIT_MS = 30_000;

export interface FetchOptions {
  /** How the server is reached. */
  readonly connection?: Connection;
  readonly timeLimitMs?: number;
}

/**
 * Reads a file, into memory, from a `file:`, `http:` or `https:` URL. Server errors (5xx, 429) and network faults are tried
 * again a few times with growing pauses; anything else is final.
 * @throws Error with a message for people.
 */
export async function fetchBytes(
  url: string,
  task: Task,
  { connection = {}, timeLimitMs = TIME_LIMIT_MS }: FetchOptions = {},
): Promise<Uint8Array> {
  if (url.startsWith('file:')) return readFile(fileURLToPath(url));
  return pRetry(() => fetchOnce(url, task, { connection, timeLimitMs }), {
    retries: TRIES - 1,
    minTimeout: 300,
    factor: 3,
    signal: task.signal,
    onFailedAttempt: ({ error, retriesLeft }) => {
      if (retriesLeft > 0) task.say(`${redact(url)}: ${error.message}; trying again`);
    },
  });
}

async function fetchOnce(url: string, task: Task, options: Required<FetchOptions>): Promise<Uint8Array> {
  return new Uint8Array(await (await request(url, task, options)).arrayBuffer());
}

/** Returns the answer, if it is a good one. */
async function request(
  url: string,
  task: Task,
  { connection, timeLimitMs }: Required<FetchOptions>,
): Promise<HttpResponse> {
  // Identical checksums decide "unchanged": a cache in between must not answer with yesterday's file.
  const headers = { 'cache-control': 'no-cache' };
  const signal = AbortSignal.any([task.signal, AbortSignal.timeout(timeLimitMs)]);
  const response = await httpFetch(url, { signal, headers }, connection).catch((error: unknown) => {
    throw error instanceof RefusedConnection ? new AbortError(error) : error;
  });
  if (response.ok) return response;
  if (response.status === 407) {
    await response.body?.cancel();
    throw new AbortError(proxyAnswer(407, url, connection));
  }
  const message = `HTTP ${response.status} ${response.statusText}`.trim() + (await statusHint(response, connection));
  if (response.status >= 500 || response.status === 429) throw new Error(message);
  throw new AbortError(message);
}

/** A package of some hundred MB over a slow line. */
const FILE_TIME_LIMIT_MS = 1_800_000;

/**
 * Copies a file from a `file:`, `http:` or `https:` URL to a path, without having it in memory; tried again on passing
 * faults. The caller checks what came, and that nothing is there of the same name when it fails.
 * @throws Error with a message for people.
 */
export async function fetchFile(url: string, path: string, task: Task, connection: Connection = {}): Promise<void> {
  if (url.startsWith('file:')) return copyFile(fileURLToPath(url), path);
  await pRetry(
    async () => {
      const response = await request(url, task, { connection, timeLimitMs: FILE_TIME_LIMIT_MS });
      if (response.body) await pipeline(Readable.fromWeb(response.body), createWriteStream(path));
    },
    { retries: TRIES - 1, minTimeout: 300, factor: 3, signal: task.signal },
  );
}

/** Returns what an answer asks for that configuration can give. */
async function statusHint(response: HttpResponse, { login, certFile }: Connection): Promise<string> {
  // nginx and Apache refuse a client without its certificate with a page that says so.
  const text = response.status === 400 || response.status === 403 ? await beginningOf(response) : '';
  await response.body?.cancel().catch(() => undefined);
  if (response.status === 401) {
    return login === undefined
      ? ' (it asks for a login: username= and password= of the .repo file)'
      : ' (it refuses the login: username= and password= of the .repo file)';
  }
  if (!/certificate/i.test(text)) return '';
  return certFile === undefined
    ? ' (it asks for a client certificate: sslclientcert= and sslclientkey= of the .repo file)'
    : ` (it refuses the client certificate ${certFile})`;
}

/** What is read of a page that says why, in bytes. */
const PAGE_BYTES = 4096;

async function beginningOf(response: HttpResponse): Promise<string> {
  let text = '';
  const decoder = new TextDecoder();
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk, { stream: true });
    if (text.length >= PAGE_BYTES) break;
  }
  return text;
}
