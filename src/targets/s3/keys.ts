import type { Task } from '../../tools/task.ts';
import type { TargetFile } from '../target.ts';
import type { Bucket } from './client.ts';
import { RefusedError } from './faults.ts';

/** As many keys as one request may delete. */
const BATCH = 1000;

/** Every file below a folder, in pages of a thousand. An empty folder name stands for all of the target. */
export async function* listObjects(bucket: Bucket, folder: string, task: Task): AsyncGenerator<TargetFile> {
  const { sdk, client, at } = bucket;
  const { Bucket, Key: root } = at('');
  const Prefix = folder === '' ? root : `${root}${folder}/`;
  let token: string | undefined;
  do {
    const from = token === undefined ? {} : { ContinuationToken: token };
    const command = new sdk.ListObjectsV2Command({ Bucket, Prefix, ...from });
    const list = () => client.send(command, { abortSignal: task.signal });
    const page = await bucket.request(`LIST ${folder}`, list, task);
    for (const { Key, Size } of page.Contents ?? []) {
      if (Key !== undefined) yield { path: Key.slice(root.length), bytes: Size ?? 0 };
    }
    token = page.NextContinuationToken;
  } while (token !== undefined);
}

/** Removes files, a thousand in a request. What an answer says could not be removed is a failure. */
export async function removeObjects(bucket: Bucket, paths: readonly string[], task: Task): Promise<void> {
  for (let from = 0; from < paths.length; from += BATCH) {
    task.signal.throwIfAborted();
    const batch = paths.slice(from, from + BATCH);
    await bucket.request(`DELETE ${batch.length} files`, () => removeBatch(bucket, batch, task), task);
  }
}

async function removeBatch({ sdk, client, at }: Bucket, paths: readonly string[], task: Task): Promise<void> {
  const Objects = paths.map((path) => ({ Key: at(path).Key }));
  const command = new sdk.DeleteObjectsCommand({ Bucket: at('').Bucket, Delete: { Objects, Quiet: true } });
  const { Errors = [] } = await client.send(command, { abortSignal: task.signal });
  const kept = Errors.filter(({ Code }) => Code !== 'NoSuchKey');
  const [first] = kept;
  if (!first) return;
  const more = kept.length > 1 ? ` and ${kept.length - 1} more` : '';
  throw new RefusedError(first.Code ?? 'unknown', `${first.Key}${more} could not be removed: ${first.Message ?? ''}`);
}
