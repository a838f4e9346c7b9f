import pLimit from 'p-limit';
import type { Task } from '../../base/task.ts';
import type { S3TargetConfig } from '../../config/config.ts';
import type { PlainTarget } from '../target.ts';
import { type Bucket, getObject, openBucket } from './s3-client.ts';
import { compareObject } from './s3-compare.ts';
import { listObjects, removeObjects } from './s3-keys.ts';
import { probe } from './s3-probe.ts';
import type { EtagStyle } from './s3-put.ts';
import { sendFiles } from './s3-send.ts';
import { swapObjects } from './s3-swap.ts';

/** What the probe found, by place: a swap asks for it once in a process, `check` each time. */
const probed = new Map<string, EtagStyle>();

/**
 * Returns a bucket of Amazon S3 or of a server that speaks the same protocol. Each file is one object under its path;
 * there are no folders. Credentials come from where the SDK looks for them: environment, profile, or the machine's
 * role.
 */
export function s3Target(config: S3TargetConfig): PlainTarget {
  const { name, bucket: bucketName, prefix, endpoint, url, parallel } = config;
  const place = [endpoint ?? 's3:/', bucketName, ...(prefix === '' ? [] : [prefix])].join('/');
  let opened: Promise<Bucket> | undefined;
  const open = (): Promise<Bucket> => {
    opened ??= openBucket(config);
    return opened;
  };
  const probeNow = async (task: Task): Promise<EtagStyle> => {
    const style = await probe(await open(), task);
    probed.set(place, style);
    return style;
  };
  const read = async (path: string, task: Task): Promise<Uint8Array | undefined> =>
    (await getObject(await open(), path, task))?.content;
  const readMany = (paths: readonly string[], task: Task) => pLimit(parallel).map(paths, (path) => read(path, task));
  return {
    name,
    publicUrl: url,
    describe: () => place,
    async check(task) {
      await probeNow(task);
    },
    read,
    readMany,
    // An object is an object: what was a link where somebody copied it from is a file of its own here.
    readWithLinks: async (paths, _folder, task) => ({ contents: await readMany(paths, task), links: new Map() }),
    async send(sourceRoot, paths, options, task) {
      if (paths.length === 0) return { files: 0, bytes: 0 };
      return sendFiles(await open(), sourceRoot, paths, options, task);
    },
    compare: async (sourceRoot, paths, task) => {
      const bucket = await open();
      return pLimit(parallel).map(paths, (path) => compareObject(bucket, sourceRoot, path, task));
    },
    async swap(request, task) {
      await swapObjects(await open(), probed.get(place) ?? (await probeNow(task)), request, task);
    },
    async *list(folder, task) {
      yield* listObjects(await open(), folder, task);
    },
    remove: async (paths, task) => removeObjects(await open(), paths, task),
  };
}
