import type { PutObjectCommandInput } from '@aws-sdk/client-s3';
import type { Task } from '../../base/task.ts';
import { type Bucket, getObject } from './s3-client.ts';
import { DamagedError, isConditionLost } from './s3-faults.ts';
import { headersOf, md5Of } from './s3-headers.ts';

/** Under which condition a file is put: that none is there, or that it still is the one of that ETag. */
export type Condition = Pick<PutObjectCommandInput, 'IfNoneMatch' | 'IfMatch'>;

/** How a server wants the ETag in `If-Match`: as it gave it, or, like Ceph's, without the quotes. */
export type EtagStyle = 'quoted' | 'bare';

/** Returns the condition that a file is still as it was read. */
export function unchanged(found: { readonly etag: string } | undefined, style: EtagStyle): Condition {
  if (found === undefined) return { IfNoneMatch: '*' };
  const bare = found.etag.replaceAll('"', '');
  return { IfMatch: style === 'bare' ? bare : `"${bare}"` };
}

/** Puts a small file whatever is there, and makes sure that it arrived as it is. @returns its ETag. */
export function putObject(
  bucket: Bucket,
  path: string,
  content: Uint8Array,
  immutable: boolean,
  task: Task,
): Promise<string> {
  return bucket.request(`PUT ${path}`, () => putOnce(bucket, path, content, { immutable }), task);
}

/** The same where no such file is. @returns whether there was none; false also where an earlier try arrived without an answer */
export async function putFresh(bucket: Bucket, path: string, content: Uint8Array, task: Task): Promise<boolean> {
  const put = (): Promise<boolean> =>
    putOnce(bucket, path, content, { immutable: true, condition: { IfNoneMatch: '*' } }).then(
      () => true,
      (error: unknown) => {
        if (isConditionLost(error)) return false;
        throw error;
      },
    );
  return bucket.request(`PUT ${path}`, put, task);
}

interface Tried {
  /** ETag of what is there now; undefined when the condition does not hold and this put changed nothing. */
  readonly etag: string | undefined;
  /** Whether an earlier try went wrong in passing, so that it may have changed the file all the same. */
  readonly again: boolean;
}

/** Puts a small file if a condition holds. */
export async function tryPut(
  bucket: Bucket,
  path: string,
  content: Uint8Array,
  condition: Condition,
  task: Task,
): Promise<Tried> {
  let tries = 0;
  const put = async (): Promise<string | undefined> => {
    tries += 1;
    try {
      return await putOnce(bucket, path, content, { condition });
    } catch (error) {
      if (isConditionLost(error)) return undefined;
      throw error;
    }
  };
  const etag = await bucket.request(`PUT ${path}`, put, task);
  return { etag, again: tries > 1 };
}

/**
 * The same for content that shows who wrote it: when the answer to an earlier try was lost, what is there is compared.
 * @returns its ETag; undefined when the condition does not hold.
 */
export async function putIf(
  bucket: Bucket,
  path: string,
  content: Uint8Array,
  condition: Condition,
  task: Task,
): Promise<string | undefined> {
  const { etag, again } = await tryPut(bucket, path, content, condition, task);
  if (etag !== undefined || !again) return etag;
  const found = await getObject(bucket, path, task);
  return found && Buffer.from(found.content).equals(content) ? found.etag : undefined;
}

async function putOnce(
  { sdk, client, at }: Bucket,
  path: string,
  content: Uint8Array,
  options: { readonly immutable?: boolean; readonly condition?: Condition },
): Promise<string> {
  const md5 = md5Of(content);
  const headers = headersOf(path, options.immutable ?? false);
  const input = { ...at(path), ...headers, ...options.condition, Body: content, ContentMD5: md5.base64 };
  const answer = await client.send(new sdk.PutObjectCommand(input));
  return sameEtag(answer, md5.hex);
}

interface PutAnswer {
  readonly ETag?: string | undefined;
  readonly ServerSideEncryption?: string | undefined;
}

/**
 * Compares what a server says it stored with what was sent, for one that does not check Content-MD5 on its own.
 * @returns the ETag @throws DamagedError, which has the request made again.
 */
export function sameEtag({ ETag, ServerSideEncryption }: PutAnswer, md5: string): string {
  // Encrypted with a managed key, the ETag is no MD5; Amazon's, the only ones that do so, check Content-MD5.
  const isMd5 = ServerSideEncryption === undefined || ServerSideEncryption === 'AES256';
  if (ETag === undefined || (isMd5 && ETag.replaceAll('"', '') !== md5)) {
    throw new DamagedError(`sent ${md5}, and the server has ${ETag ?? 'no ETag'}`);
  }
  return ETag;
}
