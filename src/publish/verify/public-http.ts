import { createHash } from 'node:crypto';
import pRetry, { AbortError } from 'p-retry';
import { reasonOf } from '../../base/connection-faults.ts';
import { bodyOf, type HttpResponse, httpFetch, withBody } from '../../base/http.ts';
import { runningLimit } from '../../base/running-time.ts';

/** Files as the public URL of a target serves them; passing faults of the server are tried again. */
export interface PublicFiles {
  /** Undefined: the server says that there is no such file. @throws Error without a clear answer. */
  get(path: string): Promise<Uint8Array | undefined>;
  /** Size in bytes, without fetching it. */
  size(path: string): Promise<number | undefined>;
  /** Fetched as a stream. `onBytes` is told the bytes so far. */
  digest(path: string, onBytes: (bytes: number) => void): Promise<{ sha256: string; bytes: number } | undefined>;
}

/** Milliseconds until a server that sends nothing counts as gone. */
const ANSWER_MS = 30_000;

/** What to do when the server, or what stands before it, gave no usable answer: nothing can be said of the files then. */
export const NO_ANSWER_HINT =
  'Nothing is known of the files: find out what answers at that address. Check the url of the target, its web server, and a proxy or login in between; then verify again.';

/** There is no clear answer: neither the file, nor that there is none. */
export class NoAnswerError extends Error {}

/** A page for people where a file should be: of a proxy, a login, or a server that is not the right one. */
function isPage(path: string, bytes: Uint8Array): boolean {
  return !path.endsWith('.html') && /^\s*(<!--.*?-->\s*)?<(!doctype\s+html|html)\b/is.test(textStart(bytes));
}

const textStart = (bytes: Uint8Array): string => Buffer.from(bytes.subarray(0, 1000)).toString('latin1');

/** Reads below that URL, which has no trailing slash. */
export function publicFiles(url: string, signal: AbortSignal): PublicFiles {
  const ask = async <Result>(path: string, method: string, read: (response: HttpResponse) => Promise<Result>) =>
    tried(path, method, read).catch((error: unknown) => {
      signal.throwIfAborted();
      throw new NoAnswerError(reasonOf(error), { cause: error });
    });
  const tried = <Result>(path: string, method: string, read: (response: HttpResponse) => Promise<Result>) =>
    pRetry(
      async (): Promise<Result | undefined> => {
        const silence = new AbortController();
        const limit = runningLimit(ANSWER_MS, () => silence.abort());
        try {
          const place = `${url}/${path.split('/').map(encodeURIComponent).join('/')}`;
          const response = await httpFetch(place, { method, signal: AbortSignal.any([signal, silence.signal]) });
          if (response.ok) return await read(withPulse(response, limit.again));
          await response.body?.cancel();
          if (response.status === 404 || response.status === 410) return undefined;
          const fault = new Error(`${path}: HTTP status ${response.status}`);
          throw response.status < 500 ? new AbortError(fault) : fault;
        } catch (error) {
          if (silence.signal.aborted) throw new Error(`${path}: nothing arrived for ${ANSWER_MS / 1000} seconds`);
          throw error;
        } finally {
          limit.end();
        }
      },
      { retries: 3, minTimeout: 300, signal },
    );
  return {
    get: (path) =>
      ask(path, 'GET', async (response) => {
        const bytes = await bodyOf(response);
        if (isPage(path, bytes)) throw new AbortError(`${path}: a web page came in its place`);
        return bytes;
      }),
    size: (path) => ask(path, 'HEAD', async (response) => Number(response.headers.get('content-length') ?? Number.NaN)),
    digest: (path, onBytes) =>
      ask(path, 'GET', async (response) => {
        const hash = createHash('sha256');
        let bytes = 0;
        for await (const chunk of response.body ?? []) {
          hash.update(chunk);
          bytes += chunk.length;
          onBytes(bytes);
        }
        return { sha256: hash.digest('hex'), bytes };
      }),
  };
}

/** Returns the response, telling at each part that arrives. */
function withPulse(response: HttpResponse, alive: () => void): HttpResponse {
  if (!response.body) return response;
  const pulse = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      alive();
      controller.enqueue(chunk);
    },
  });
  return withBody(response, response.body.pipeThrough(pulse));
}
