import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { HeadObjectCommandOutput } from '@aws-sdk/client-s3';
import { sha256File } from '../../base/files.ts';
import type { Task } from '../../base/task.ts';
import type { Compared } from '../target.ts';
import { partBytesOf } from './multipart.ts';
import type { Bucket } from './s3-client.ts';
import { statusOf } from './s3-faults.ts';
import { keysOf } from './s3-names.ts';

/**
 * Compares a file with the object under its name, by the ETag, which is the MD5 of the content or, of one that came in
 * parts, of its parts' MD5s. What has another kind of ETag (encrypted with a managed key, or sent in parts by another
 * program, whose parts may be as many and of another size) is read. A file with two keys is the same if both are.
 */
export async function compareObject(bucket: Bucket, sourceRoot: string, path: string, task: Task): Promise<Compared> {
  const found: Compared[] = [];
  for (const key of keysOf(path)) found.push(await compareKey(bucket, key, join(sourceRoot, path), task));
  if (found.includes('different')) return 'different';
  return found.includes('absent') ? 'absent' : 'same';
}

async function compareKey(bucket: Bucket, key: string, file: string, task: Task): Promise<Compared> {
  const { sdk, client, at } = bucket;
  const head = (): Promise<HeadObjectCommandOutput | undefined> =>
    client.send(new sdk.HeadObjectCommand(at(key))).catch((error: unknown) => {
      if (statusOf(error) === 404) return undefined;
      throw error;
    });
  const there = await bucket.request(`HEAD ${key}`, head, task);
  const { size } = await stat(file);
  if (there === undefined || (there.ContentLength === 0 && size > 0)) return 'absent';
  if (there.ContentLength !== size) return 'different';
  const [, digest = '', parts] = /^"?([0-9a-f]{32})(?:-(\d+))?"?$/.exec(there.ETag ?? '') ?? [];
  const encrypted = ![undefined, 'AES256'].includes(there.ServerSideEncryption);
  if (digest !== '' && !encrypted) {
    if (parts === undefined) return digest === (await md5File(file)) ? 'same' : 'different';
    const isAsMany = Number(parts) === Math.ceil(size / partBytesOf(size));
    if (isAsMany && digest === (await md5OfParts(file, partBytesOf(size)))) return 'same';
  }
  return (await sha256Object(bucket, key, task)) === (await sha256File(file)) ? 'same' : 'different';
}

async function md5File(file: string): Promise<string> {
  const hash = createHash('md5');
  for await (const chunk of createReadStream(file)) hash.update(chunk);
  return hash.digest('hex');
}

async function md5OfParts(file: string, partBytes: number): Promise<string> {
  const all = createHash('md5');
  const { size } = await stat(file);
  for (let start = 0; start < size; start += partBytes) {
    const part = createHash('md5');
    const end = Math.min(start + partBytes, size) - 1;
    for await (const chunk of createReadStream(file, { start, end })) part.update(chunk);
    all.update(part.digest());
  }
  return all.digest('hex');
}

async function sha256Object(bucket: Bucket, key: string, task: Task): Promise<string> {
  const { sdk, client, at } = bucket;
  const read = async (): Promise<string> => {
    const { Body } = await client.send(new sdk.GetObjectCommand(at(key)));
    const hash = createHash('sha256');
    if (Body) for await (const chunk of Body.transformToWebStream()) hash.update(chunk);
    return hash.digest('hex');
  };
  return bucket.request(`GET ${key}`, read, task);
}
