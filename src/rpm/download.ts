import { createWriteStream } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import pRetry, { AbortError } from 'p-retry';
import type { Connection } from '../base/connection.ts';
import { RefusedConnection } from '../base/connection-faults.ts';
import { readRegular } from '../base/files.ts';
import { formatBytes } from '../base/format.ts';
import { type HttpResponse, httpFetch, partsOf } from '../base/http.ts';
import { proxyAnswer } from '../base/proxies.ts';
import { redact } from '../base/redact.ts';
import type { Task } from '../base/task.ts';

const TRIES = 4;

/**
 * A server has to send this many bytes a second on average, looked at each so many milliseconds, and has that long to answer
 * at all: dnf's own measure (`minrate` and `timeout` in dnf.conf(5)). How long all of it takes is no matter.
 */
const LEAST_BYTES_PER_SECOND = 1000;
const PATIENCE_MS = 30_000;

/** What is read into memory when nothing else is said: no list of mirrors, key or repomd.xml comes near. */
const MOST_BYTES = 32_000_000;

export interface FetchOptions {
  /** How the server is reached. */
  readonly connection?: Connection;
  readonly patienceMs?: number;
  /** More than this is refused. */
  readonly mostBytes?: number;
}

/**
 * Reads a file, into memory, from a `file:`, `http:` or `https:` URL. Server errors (5xx, 429) and network faults are tried
 * again a few times with growing pauses; anything else is final.
 * @throws Error with a message for people.
 */
export async function fetchBytes(
  url: string,
  task: Task,
  { connection = {}, patienceMs = PATIENCE_MS, mostBytes = MOST_BYTES }: FetchOptions = {},
): Promise<Uint8Array> {
  if (url.startsWith('file:')) return readRegular(fileURLToPath(url));
  return pRetry(() => fetchOnce(url, task, { connection, patienceMs, mostBytes }), {
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
  return withProgress(task.signal, options.patienceMs, async (progress) => {
    const chunks: Uint8Array[] = [];
    let length = 0;
    for await (const chunk of bodyOf(await request(url, options.connection, progress.signal), progress)) {
      length += chunk.length;
      if (length > options.mostBytes) throw new AbortError(`it is longer than ${formatBytes(options.mostBytes)}`);
      chunks.push(chunk);
    }
    return new Uint8Array(Buffer.concat(chunks));
  });
}

interface Progress {
  readonly signal: AbortSignal;
  saw(bytes: number): void;
}

/** Runs a request that is ended when it gets nowhere. */
async function withProgress<Result>(
  outer: AbortSignal,
  patienceMs: number,
  work: (progress: Progress) => Promise<Result>,
): Promise<Result> {
  const slow = new AbortController();
  let [seen, answered] = [0, false];
  const look = (): void => {
    const within = `within ${Math.ceil(patienceMs / 1000)} s`;
    if (!answered) slow.abort(new Error(`it did not answer ${within}`));
    else if (seen < (LEAST_BYTES_PER_SECOND * patienceMs) / 1000)
      slow.abort(new Error(`it sent ${seen} bytes ${within}`));
    seen = 0;
  };
  const timer = setInterval(look, patienceMs);
  const saw = (bytes: number): void => {
    // From the answer on a whole interval counts.
    if (!answered) timer.refresh();
    answered = true;
    seen += bytes;
  };
  try {
    return await work({ signal: AbortSignal.any([outer, slow.signal]), saw });
  } finally {
    clearInterval(timer);
  }
}

async function* bodyOf(response: HttpResponse, progress: Progress): AsyncGenerator<Uint8Array> {
  progress.saw(0);
  for await (const chunk of partsOf(response)) {
    progress.saw(chunk.length);
    yield chunk;
  }
}

/** Returns the answer, if it is a good one. */
async function request(url: string, connection: Connection, signal: AbortSignal): Promise<HttpResponse> {
  // Identical checksums decide "unchanged": a cache in between must not answer with yesterday's file.
  const headers = { 'cache-control': 'no-cache' };
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

/**
 * Copies a file from a `file:`, `http:` or `https:` URL to a path, without having it in memory; tried again on passing
 * faults. The caller checks what came, and that nothing is there of the same name when it fails.
 * @throws Error with a message for people.
 */
export async function fetchFile(url: string, path: string, task: Task, connection: Connection = {}): Promise<void> {
  if (url.startsWith('file:')) return copyFile(fileURLToPath(url), path);
  await pRetry(
    () =>
      withProgress(task.signal, PATIENCE_MS, async (progress) => {
        const response = await request(url, connection, progress.signal);
        await pipeline(bodyOf(response, progress), createWriteStream(path));
      }),
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
