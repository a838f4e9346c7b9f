import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { TargetConfig } from '../../src/config/config.ts';
import { openTarget } from '../../src/targets/open-target.ts';
import type { Target } from '../../src/targets/target.ts';
import { sharedRadosgw, whyNoRadosgw } from './radosgw.ts';
import { makeBucket } from './s3-bucket.ts';
import { startSshd } from './sshd.ts';
import { accessOf, bed, URL } from './target-beds.ts';

/** A target that other processes can open as well. */
export interface LogBed {
  readonly dir: string;
  readonly target: Target;
  readonly config: TargetConfig;
}

const opened = (dir: string, config: TargetConfig): LogBed => ({ dir, config, target: openTarget(config) });

async function directory(): Promise<LogBed> {
  const { dir, far } = await bed();
  return opened(dir, { type: 'directory', name: 'far', path: far, url: URL });
}

async function ssh(): Promise<LogBed> {
  const { dir, far } = await bed();
  const access = accessOf(await startSshd(join(dir, 'sshd')));
  return opened(dir, { type: 'ssh', name: 'far', destination: `root@127.0.0.1:${far}`, ssh: access, url: URL });
}

async function rsync(): Promise<LogBed> {
  const { dir, far } = await bed();
  await mkdir(far);
  const access = accessOf(await startSshd(join(dir, 'sshd'), { rrsync: far }));
  return opened(dir, { type: 'rsync', name: 'far', destination: 'root@127.0.0.1:/', ssh: access, url: URL });
}

async function s3(): Promise<LogBed> {
  const { dir } = await bed();
  return opened(dir, (await makeBucket(await sharedRadosgw())).config);
}

/** Each kind of target, S3 where there is a gateway. */
export const LOG_BEDS: readonly (readonly [kind: string, open: () => Promise<LogBed>])[] = [
  ['directory', directory],
  ['ssh', ssh],
  ['rsync', rsync],
  ...(whyNoRadosgw() === undefined ? [['s3', s3] as const] : []),
];
