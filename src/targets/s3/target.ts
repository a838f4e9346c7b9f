import pLimit from 'p-limit';
import type { S3TargetConfig } from '../../config/config.ts';
import type { Task } from '../../tools/task.ts';
import type { PlainTarget } from '../target.ts';
import { type Bucket, getObject, openBucket } from './client.ts';
import { compareObject } from './compare.ts';
import { listObjects, removeObjects } from './keys.ts';
import { probe } from './probe.ts';
import type { EtagStyle } from './put.ts';
import { sendFiles } from './send.ts';
import { swapObjects } from './swap.ts';

/** What the probe found, by place: a swap asks for it once in a process, `check` each time. */
const probed = new Map<string, EtagStyle>();

/**
 * A bucket of Amazon S3 or of a server that speaks the same protocol. Each file is one object under its path; there are
 * no folders. Credentials come from where the SDK looks for them: environment, profile, or the machine's role.
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
  return {
    name,
    publicUrl: url,
    describe: () => place,
    async check(task) {
      await probeNow(task);
    },
    read,
    readMany: (paths, task) => pLimit(parallel).map(paths, (path) => read(path, task)),
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
