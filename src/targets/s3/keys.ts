import type { Task } from '../../tools/task.ts';
import type { TargetFile } from '../target.ts';
import type { Bucket } from './client.ts';
import { RefusedError } from './faults.ts';
import { keysOf, withoutSecondKeys } from './names.ts';

/** As many keys as one request may delete. */
const BATCH = 1000;

/** Every file below a folder, in pages of a thousand. An empty folder name stands for all of the target. */
export function listObjects(bucket: Bucket, folder: string, task: Task): AsyncGenerator<TargetFile> {
  return withoutSecondKeys(listKeys(bucket, folder, task));
}

async function* listKeys(bucket: Bucket, folder: string, task: Task): AsyncGenerator<TargetFile> {
  // What is below a folder with a plus sign has its second keys below another.
  for (const name of keysOf(folder)) yield* listPrefix(bucket, name, task);
}

async function* listPrefix(bucket: Bucket, folder: string, task: Task): AsyncGenerator<TargetFile> {
  const { sdk, client, at } = bucket;
  const { Bucket, Key: root } = at('');
  const Prefix = folder === '' ? root : `${root}${folder}/`;
  let token: string | undefined;
  do {
    const from = token === undefined ? {} : { ContinuationToken: token };
    const command = new sdk.ListObjectsV2Command({ Bucket, Prefix, ...from });
    const list = () => client.send(command);
    const page = await bucket.request(`LIST ${folder}`, list, task);
    for (const { Key, Size } of page.Contents ?? []) {
      if (Key !== undefined) yield { path: Key.slice(root.length), bytes: Size ?? 0 };
    }
    token = page.NextContinuationToken;
  } while (token !== undefined);
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
