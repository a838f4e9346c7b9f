import type { Task } from '../../base/task.ts';
import type { Bucket } from './s3-client.ts';
import { codeOf, isConditionLost } from './s3-faults.ts';
import { headersOf, md5Of } from './s3-headers.ts';
import { sameEtag } from './s3-put.ts';

/** S3 takes no more parts than this in one object. */
const MOST_PARTS = 10_000;
const PART_BYTES = 8 << 20;

/** Size of the parts, but for the last one, that a file of so many bytes is sent in. */
export function partBytesOf(bytes: number): number {
  return PART_BYTES * Math.max(1, Math.ceil(bytes / (PART_BYTES * MOST_PARTS)));
}

/** An object that is sent in parts and appears when the last of them is there and it is finished. */
export interface Multipart {
  readonly path: string;
  readonly id: string;
  readonly bytes: number;
  /** Size of every part but the last. */
  readonly partBytes: number;
  readonly parts: number;
  /** ETags of the parts that have arrived, keyed by the part's number, from 1. */
  readonly etags: Map<number, string>;
}

/** Begins to send a large file; nothing is seen of it yet. */
export async function beginUpload(
  bucket: Bucket,
  path: string,
  bytes: number,
  immutable: boolean,
  task: Task,
): Promise<Multipart> {
  const { sdk, client, at } = bucket;
  const input = { ...at(path), ...headersOf(path, immutable) };
  const begin = () => client.send(new sdk.CreateMultipartUploadCommand(input));
  const { UploadId } = await bucket.request(`POST ${path}`, begin, task);
  if (UploadId === undefined) throw new Error(`The server gave no upload id for ${path}.`);
  const partBytes = partBytesOf(bytes);
  return { path, id: UploadId, bytes, partBytes, parts: Math.ceil(bytes / partBytes), etags: new Map() };
}

/** Sends one part and makes sure that it arrived as it is. @returns whether it was the last one missing. */
export async function putPart(
  bucket: Bucket,
  upload: Multipart,
  part: number,
  content: Uint8Array,
  task: Task,
): Promise<boolean> {
  const { sdk, client, at } = bucket;
  const md5 = md5Of(content);
  const named = { ...at(upload.path), UploadId: upload.id, PartNumber: part };
  const put = async (): Promise<string> => {
    const command = new sdk.UploadPartCommand({ ...named, Body: content, ContentMD5: md5.base64 });
    return sameEtag(await client.send(command), md5.hex);
  };
  upload.etags.set(part, await bucket.request(`PUT part ${part} of ${upload.path}`, put, task));
  return upload.etags.size === upload.parts;
}

/**
 * Makes the object out of its parts.
 * @param fresh only where no such object is
 * @returns whether it did
 */
export async function finishUpload(bucket: Bucket, upload: Multipart, fresh: boolean, task: Task): Promise<boolean> {
  const { sdk, client, at } = bucket;
  const parts = [...upload.etags].sort(([a], [b]) => a - b).map(([PartNumber, ETag]) => ({ PartNumber, ETag }));
  const condition = fresh ? { IfNoneMatch: '*' } : {};
  const input = { ...at(upload.path), ...condition, UploadId: upload.id, MultipartUpload: { Parts: parts } };
  let tries = 0;
  const finish = async (): Promise<boolean> => {
    tries += 1;
    try {
      await client.send(new sdk.CompleteMultipartUploadCommand(input));
    } catch (error) {
      if (fresh && isConditionLost(error)) return false;
      // The answer to an earlier try was lost: then the upload is no more, and the object is there.
      const mayBeDone = tries > 1 && codeOf(error) === 'NoSuchUpload';
      if (!(mayBeDone && (await isFinished(bucket, upload)))) throw error;
    }
    return true;
  };
  return bucket.request(`POST all parts of ${upload.path}`, finish, task);
}

/** S3 gives an object in parts the MD5 of its parts' MD5s, and their number, as its ETag. */
async function isFinished({ sdk, client, at }: Bucket, upload: Multipart): Promise<boolean> {
  const answer = await client.send(new sdk.HeadObjectCommand(at(upload.path)));
  const sums = [...upload.etags].sort(([a], [b]) => a - b).map(([, etag]) => etag.replaceAll('"', ''));
  return answer.ETag?.replaceAll('"', '') === `${md5Of(Buffer.from(sums.join(''), 'hex')).hex}-${upload.parts}`;
}

/** Frees the parts of an object that will not be finished, as far as that can be done. */
export async function abandonUpload(bucket: Bucket, { path, id }: Multipart, task: Task): Promise<void> {
  const { sdk, client, at } = bucket;
  const last: Task = { ...task, signal: AbortSignal.timeout(10_000) };
  const abort = () => client.send(new sdk.AbortMultipartUploadCommand({ ...at(path), UploadId: id }));
  try {
    await bucket.request(`DELETE parts of ${path}`, abort, last);
  } catch {
    task.say(`${bucket.config.name}: parts of ${path} stay in the bucket, unseen; a lifecycle rule there removes them`);
  }
}
