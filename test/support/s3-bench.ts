import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import type { S3TargetConfig } from '../../src/config/config.ts';
import { run } from '../../src/programs/exec.ts';
import { applyPublish } from '../../src/publish/apply.ts';
import { NO_LOG } from '../../src/publish/log/logged.ts';
import { planPublish } from '../../src/publish/publish-plan.ts';
import { openTarget } from '../../src/targets/open-target.ts';
import { TEST_REF } from './ostree-repo.ts';
import type { PublishBed } from './publish-bed.ts';
import type { Radosgw } from './radosgw.ts';
import { makeBucket } from './s3-bucket.ts';

/** A bucket with the base commit published, to which the increment is published and taken back. */
export interface S3Bed {
  readonly config: S3TargetConfig;
  restore(): Promise<void>;
  /** @throws Error when the increment is not there as a whole. */
  confirm(): Promise<void>;
}

/** Who brings the base: a peer goes by what its own tool stored with each object. */
export type S3Owner = 'ours' | 'rclone';

const POINTERS = ['repo/summary', `repo/refs/heads/${TEST_REF}`];

/** Publishes the base commit of a bed (restored: its `far` has the base) to a fresh bucket, which takes minutes. */
export async function s3Bed(bed: PublishBed, dir: string, owner: S3Owner, gateway: Radosgw): Promise<S3Bed> {
  const { config, client, look } = await makeBucket(gateway);
  const target = openTarget(config);
  const at = (path: string) => ({ Bucket: config.bucket, Key: `${config.prefix}/${path}` });
  const { repo, base, next, fresh, far, task } = bed;
  if (owner === 'ours') {
    await applyPublish(
      await planPublish({ repo, ref: TEST_REF, commit: base, target }, task),
      { repo, target, log: NO_LOG },
      task,
    );
  } else {
    const list = join(dir, 'base');
    await writeFile(list, (await baseFiles(bed)).join('\n'));
    // No questions about what is there: nothing is.
    await rclone(config, ['copy', '--files-from-raw', list, '--no-traverse', '--no-check-dest'], bed.near, '');
  }
  const kept = await Promise.all(POINTERS.map((path) => readFile(join(far, path))));
  return {
    config,
    async restore() {
      await target.remove(fresh, task);
      for (const [index, path] of POINTERS.entries()) {
        await client.send(new PutObjectCommand({ ...at(path), Body: kept[index] ?? '' }));
      }
    },
    async confirm() {
      const ref = (await look(POINTERS[1] ?? '')).content.trim();
      const there = new Set<string>();
      for await (const { path } of target.list('repo/objects', task)) there.add(path);
      const missing = fresh.filter((path) => !there.has(path));
      if (ref !== next || missing.length > 0) throw new Error(`ref at ${ref}, ${missing.length} objects missing`);
    },
  };
}

/** Files of the repository but those of the increment, relative to the folder above it. */
async function baseFiles({ near, repo, fresh }: PublishBed): Promise<string[]> {
  const later = new Set(fresh);
  const entries = await readdir(repo, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
  return files.map((file) => relative(near, file)).filter((path) => !later.has(path));
}

/**
 * rclone from a folder to one of the bucket, with as many requests at a time as ours. It finds the keys where the SDK
 * finds them.
 */
export function rclone(config: S3TargetConfig, args: readonly string[], from: string, to: string) {
  const { bucket, prefix, endpoint = '', parallel } = config;
  const words = [
    ...['--config=/dev/null', ...args, `--transfers=${parallel}`, `--checkers=${parallel}`],
    ...['--s3-provider=Ceph', '--s3-env-auth', `--s3-endpoint=${endpoint}`, '--s3-no-check-bucket'],
    ...[from, `:s3:${bucket}/${prefix}/${to}`],
  ];
  // It stops when that is set, even where nothing is encrypted.
  return run('rclone', words, { env: { AWS_CA_BUNDLE: undefined } });
}
