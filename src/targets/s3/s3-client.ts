import { setMaxListeners } from 'node:events';
import type { GetObjectCommandOutput, S3Client } from '@aws-sdk/client-s3';
import { MOST_READ_BYTES } from '../../base/read-limit.ts';
import type { Task } from '../../base/task.ts';
import type { S3TargetConfig } from '../../config/config.ts';
import { MORE_THAN_READ, noFileError } from '../expect.ts';
import { agentsFor } from './s3-agents.ts';
import { credentialFault, faultOf, isMissing } from './s3-faults.ts';
import { md5Of } from './s3-headers.ts';
import { type Requests, retrying } from './s3-retry.ts';

export type Sdk = typeof import('@aws-sdk/client-s3');

/** What the parts of the S3 target share: the SDK, one client, and where files are. */
export interface Bucket {
  readonly config: S3TargetConfig;
  readonly sdk: Sdk;
  readonly client: S3Client;
  /** Parameters that name a file of the target. */
  at(path: string): { readonly Bucket: string; readonly Key: string };
  /**
   * Makes a request, again when it failed in passing; the whole of `work` is repeated. The task's abort ends it: `work`
   * need not give the SDK a signal.
   * @param what for messages, as in `PUT repo/summary`.
   * @throws NightlyError as faults.ts has them.
   */
  request<Result>(what: string, work: () => Promise<Result>, task: Task): Promise<Result>;
}

/** A file as it was read. */
export interface Found {
  readonly content: Uint8Array;
  /** ETag as the server gave it, including the quotes. */
  readonly etag: string;
}

/** Longest silence on a connection before a request counts as lost. */
const SILENCE_MS = 60_000;

/**
 * Returns the client for a bucket; nothing is contacted yet. The SDK takes a fifth of a second to load, so only
 * commands that use an S3 target do so. Its own retries are off: they cannot be seen, and do not cover what is read of
 * an answer.
 */
export async function openBucket(config: S3TargetConfig): Promise<Bucket> {
  // It tells users of Node 20, on each run, what is the business of whoever updates this program's packages.
  process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] ??= 'true';
  const sdk = await import('@aws-sdk/client-s3');
  const { bucket, prefix, endpoint, region, parallel } = config;
  const agent = { keepAlive: true, maxSockets: parallel };
  const client = new sdk.S3Client({
    region,
    ...(endpoint === undefined ? {} : { endpoint, forcePathStyle: true }),
    maxAttempts: 1,
    // The functions a request goes through are chained once, not for each: a quarter of the CPU time of a small PUT.
    cacheMiddleware: true,
    // Servers other than Amazon's refuse the SDK's own checksums; each PUT carries an MD5, which all of them check.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    expectContinueHeader: false,
    requestHandler: {
      ...(await agentsFor(config, agent)),
      connectionTimeout: 10_000,
      requestTimeout: SILENCE_MS,
      socketTimeout: SILENCE_MS,
      throwOnRequestTimeout: true,
    },
  });
  // It copies what goes to a logger, and there is none.
  client.middlewareStack.remove('loggerMiddleware');
  // Deleting many at once needs a checksum. The SDK sends a CRC, which servers older than that habit of its do not know.
  client.middlewareStack.add(
    (next, { commandName }) =>
      (args) => {
        const { request } = args;
        if (commandName === 'DeleteObjectsCommand' && isTextRequest(request)) {
          request.headers['content-md5'] = md5Of(Buffer.from(request.body)).base64;
        }
        return next(args);
      },
    { step: 'build' },
  );
  const requests: Requests = { target: config.name, answered: false, again: 0, saidAt: Number.NEGATIVE_INFINITY };
  return {
    config,
    sdk,
    client,
    at: (path) => ({ Bucket: bucket, Key: prefix === '' ? path : `${prefix}/${path}` }),
    async request(what, work, task) {
      // Each request under way listens for the abort; there may be hundreds.
      setMaxListeners(0, task.signal);
      const ended = cutOnAbort(client, task.signal);
      try {
        await findCredentials(client, config);
        return await retrying(requests, what, work, task);
      } catch (error) {
        task.signal.throwIfAborted();
        throw faultOf(error, what, config);
      } finally {
        ended();
      }
    },
  };
}

/**
 * Asks for credentials; the SDK keeps them, and asks again when they are over. A profile or the cloud's metadata gives
 * them, and what it says is somebody else's (docs/targets.md).
 * @throws NightlyError `target-permission`.
 */
async function findCredentials(client: S3Client, config: S3TargetConfig): Promise<void> {
  try {
    await client.config.credentials();
  } catch (error) {
    throw credentialFault(error, config);
  }
}

/** Requests that had no connection yet when the first were cut are met by the next. */
const CUT_EVERY_MS = 100;

/**
 * Cuts the client's connections when a signal aborts. Given to the SDK with each request, the signal would have it chain
 * its functions anew each time. A request of another task that is cut as well is made again.
 * @returns what to call once the request has ended
 */
function cutOnAbort(client: S3Client, signal: AbortSignal): () => void {
  let timer: NodeJS.Timeout | undefined;
  const cut = (): void => {
    client.destroy();
    timer = setTimeout(cut, CUT_EVERY_MS);
  };
  signal.addEventListener('abort', cut, { once: true });
  return () => {
    signal.removeEventListener('abort', cut);
    clearTimeout(timer);
  };
}

interface TextRequest {
  readonly headers: Record<string, string>;
  readonly body: string;
}

function isTextRequest(request: unknown): request is TextRequest {
  if (typeof request !== 'object' || request === null || !('headers' in request) || !('body' in request)) return false;
  return typeof request.body === 'string';
}

/**
 * Returns a small file with its ETag, from the bucket itself; undefined when there is none.
 * @throws NightlyError `target-unreachable` for one that is larger than what is read, and what `request` throws
 */
export async function getObject(bucket: Bucket, path: string, task: Task): Promise<Found | undefined> {
  const { sdk, client, config } = bucket;
  const get = async (): Promise<Found | 'large' | undefined> => {
    const answer = await client
      .send(new sdk.GetObjectCommand(bucket.at(path)))
      .catch((error: unknown): GetObjectCommandOutput | undefined => {
        if (isMissing(error)) return undefined;
        throw error;
      });
    if (answer?.Body === undefined) return undefined;
    if ((answer.ContentLength ?? 0) > MOST_READ_BYTES) {
      if ('destroy' in answer.Body) answer.Body.destroy();
      return 'large';
    }
    return { content: Buffer.from(await answer.Body.transformToByteArray()), etag: answer.ETag ?? '' };
  };
  const found = await bucket.request(`GET ${path}`, get, task);
  if (found === 'large') throw noFileError({ target: config.name, what: MORE_THAN_READ, place: path });
  return found;
}
