import { NightlyError } from '../../base/errors.ts';
import type { Task } from '../../base/task.ts';
import { isPlainPath } from '../plain-paths.ts';
import type { TargetFile } from '../target.ts';
import type { Bucket } from './s3-client.ts';
import { RefusedError } from './s3-faults.ts';
import { keysOf, withoutSecondKeys } from './s3-names.ts';

/** The most keys that one request may delete. */
const BATCH = 1000;

/** Returns every file below a folder, in pages of a thousand. An empty folder name stands for all of the target. */
export function listObjects(bucket: Bucket, folder: string, task: Task): AsyncGenerator<TargetFile> {
  return withoutSecondKeys(listKeys(bucket, folder, task));
}

async function* listKeys(bucket: Bucket, folder: string, task: Task): AsyncGenerator<TargetFile> {
  // What is below a folder with a plus sign has its second keys below another.
  for (const name of keysOf(folder)) yield* listPrefix(bucket, name, task);
}

/**
 * A page says itself whether it is the last, and where the next begins; what else it may say is not believed.
 */
async function* listPrefix(bucket: Bucket, folder: string, task: Task): AsyncGenerator<TargetFile> {
  const { sdk, client, at } = bucket;
  const { Bucket, Key: root } = at('');
  const Prefix = folder === '' ? root : `${root}${folder}/`;
  const begun = new Set<string>();
  for (let token: string | undefined; ; ) {
    const from = token === undefined ? {} : { ContinuationToken: token };
    const command = new sdk.ListObjectsV2Command({ Bucket, Prefix, ...from });
    const list = () => client.send(command);
    const page = await bucket.request(`LIST ${folder}`, list, task);
    for (const { Key, Size } of page.Contents ?? []) {
      if (Key === undefined || !Key.startsWith(Prefix)) {
        throw badListing(bucket, folder, `names the key ${JSON.stringify(Key)}, which is not below it`);
      }
      if (Size === undefined || !Number.isSafeInteger(Size) || Size < 0) {
        throw badListing(bucket, folder, `gives no size for ${JSON.stringify(Key)}`);
      }
      const path = Key.slice(root.length);
      // A key can be anything. One that is not a path (a console's "folder" ends in "/") is none of ours.
      if (isPlainPath(path)) yield { path, bytes: Size };
    }
    if (page.IsTruncated !== true) return;
    token = page.NextContinuationToken;
    if (token === undefined || token === '')
      throw badListing(bucket, folder, 'is truncated, but names no continuation');
    if (begun.has(token)) throw badListing(bucket, folder, 'continues where it has been before');
    begun.add(token);
  }
}

/** Half a listing would be taken for the whole: then a repair sends everything, and a prune keeps what it should remove. */
function badListing({ config }: Bucket, folder: string, what: string): NightlyError {
  const server = config.endpoint ?? 'Amazon S3';
  return new NightlyError('unsupported', `Target "${config.name}": the listing of ${folder} by ${server} ${what}.`, {
    hint: 'Update that server, or publish to another type of target: it does not keep to ListObjectsV2.',
  });
}

/** Removes files with all their keys, a thousand in a request. What an answer says could not be removed is a failure. */
export async function removeObjects(bucket: Bucket, paths: readonly string[], task: Task): Promise<void> {
  const keys = paths.flatMap(keysOf);
  for (let from = 0; from < keys.length; from += BATCH) {
    task.signal.throwIfAborted();
    const batch = keys.slice(from, from + BATCH);
    await bucket.request(`DELETE ${batch.length} keys`, () => removeBatch(bucket, batch), task);
  }
}

async function removeBatch({ sdk, client, at }: Bucket, paths: readonly string[]): Promise<void> {
  const Objects = paths.map((path) => ({ Key: at(path).Key }));
  const command = new sdk.DeleteObjectsCommand({ Bucket: at('').Bucket, Delete: { Objects, Quiet: true } });
  const { Errors = [] } = await client.send(command);
  const kept = Errors.filter(({ Code }) => Code !== 'NoSuchKey');
  const [first] = kept;
  if (!first) return;
  const more = kept.length > 1 ? ` and ${kept.length - 1} more` : '';
  throw new RefusedError(first.Code ?? 'unknown', `${first.Key}${more} could not be removed: ${first.Message ?? ''}`);
}
