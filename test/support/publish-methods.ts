import { join } from 'node:path';
import type { S3TargetConfig } from '../../src/config/config.ts';
import { run } from '../../src/programs/exec.ts';
import { sshArguments } from '../../src/programs/ssh.ts';
import { openTarget } from '../../src/targets/open-target.ts';
import { TEST_REF } from './ostree-repo.ts';
import { type PublishBed, publishWith } from './publish-bed.ts';
import { rclone, type S3Owner } from './s3-bench.ts';
import type { TestSshd } from './sshd.ts';

/** What is compared. */
export interface Method {
  readonly name: string;
  /** Programs it needs besides ours. */
  readonly needs: readonly string[];
  /** `ours` and `peer` publish; the `floor` only transfers the objects, and says what that costs in any case. */
  readonly kind: 'ours' | 'peer' | 'floor';
}

/** One way to bring an increment to the far folder. */
export interface PublishMethod extends Method {
  publish(bed: PublishBed, ssh: SshWay): Promise<unknown>;
}

/** How ssh gets to the machine of the far folder. */
export type SshWay = Pick<TestSshd, 'identityFile' | 'knownHostsFile' | 'port'>;

/** One way to bring an increment to a bucket. */
export interface S3Method extends Method {
  /** Whose base the bucket must have. */
  readonly owner: S3Owner;
  publish(bed: PublishBed, config: S3TargetConfig): Promise<unknown>;
}

const URL = 'http://127.0.0.1:1';
const ACCOUNT = 'root@127.0.0.1';
const sshLine = (way: SshWay): string => ['ssh', ...sshArguments(way).map((word) => `'${word}'`)].join(' ');
const rsync = (args: readonly string[], way?: SshWay) =>
  run('rsync', [...(way ? ['-e', sshLine(way)] : []), '-a', ...args]);

/** Order: everything that a ref needs before the ref, and the summary, which clients ask first, last. */
const PASSES = [
  ['--exclude=*.commit', 'objects/'],
  ['--include=*/', '--include=*.commit', '--exclude=*', 'objects/'],
  ['refs/'],
  ['summary'],
] as const;

const tarPipe = 'tar -cf - -C "$1" -T "$2" | eval "$3 $4 tar -xf - -C $5"';

/** Over ssh. */
export const SSH_METHODS: readonly PublishMethod[] = [
  {
    name: 'ours, ssh',
    kind: 'ours',
    needs: [],
    publish: (bed, ssh) =>
      publishWith(
        openTarget({ type: 'ssh', name: 'far', destination: `${ACCOUNT}:${bed.far}`, ssh, url: URL }),
        bed,
        bed.task,
      ),
  },
  {
    name: 'ours, rsync',
    kind: 'ours',
    needs: ['rsync'],
    publish: (bed, ssh) =>
      publishWith(
        openTarget({ type: 'rsync', name: 'far', destination: `${ACCOUNT}:${bed.far}`, ssh, url: URL }),
        bed,
        bed.task,
      ),
  },
  {
    name: 'tar of the new objects',
    kind: 'floor',
    needs: ['tar'],
    publish: ({ near, freshFile, far }, way) =>
      run('sh', ['-ec', tarPipe, 'sh', near, freshFile, sshLine(way), ACCOUNT, far]),
  },
  {
    name: 'rsync -a',
    kind: 'peer',
    needs: ['rsync'],
    publish: ({ repo, far }, way) => rsync([`${repo}/`, `${ACCOUNT}:${far}/repo/`], way),
  },
  {
    name: 'rsync, four passes',
    kind: 'peer',
    needs: ['rsync'],
    async publish({ repo, far }, way) {
      for (const pass of PASSES) {
        const path = pass.at(-1) ?? '';
        await rsync([...pass.slice(0, -1), join(repo, path), `${ACCOUNT}:${far}/repo/${path}`], way);
      }
    },
  },
  {
    name: 'rclone sync, sftp',
    kind: 'peer',
    needs: ['rclone'],
    publish: ({ repo, far }, way) =>
      run('rclone', [
        ...['sync', '--config=/dev/null', repo, `:sftp:${far}/repo`, '--sftp-host=127.0.0.1', '--sftp-user=root'],
        ...[`--sftp-port=${way.port}`, `--sftp-key-file=${way.identityFile}`],
        `--sftp-known-hosts-file=${way.knownHostsFile}`,
      ]),
  },
  {
    name: 'ostree-push',
    kind: 'peer',
    needs: ['ostree-push'],
    publish: ({ repo, far }, way) =>
      // Its ssh may outlive it, with our pipes open.
      run('sh', [
        '-ec',
        'ostree-push "$@" > /dev/null 2>&1',
        'sh',
        ...['--quiet', `--repo=${repo}`, `-p${way.port}`],
        ...['-i', way.identityFile, '-o', `UserKnownHostsFile=${way.knownHostsFile}`],
        ...[`${ACCOUNT}:${far}/repo`, TEST_REF],
      ]),
  },
];

/** To a folder of this machine. */
export const LOCAL_METHODS: readonly PublishMethod[] = [
  {
    name: 'ours, directory',
    kind: 'ours',
    needs: [],
    publish: (bed) =>
      publishWith(openTarget({ type: 'directory', name: 'far', path: bed.far, url: URL }), bed, bed.task),
  },
  {
    name: 'tar of the new objects',
    kind: 'floor',
    needs: ['tar'],
    publish: ({ near, freshFile, far }) =>
      run('sh', ['-ec', 'tar -cf - -C "$1" -T "$2" | tar -xf - -C "$3"', 'sh', near, freshFile, far]),
  },
  { name: 'rsync -a', kind: 'peer', needs: ['rsync'], publish: ({ repo, far }) => rsync([`${repo}/`, `${far}/repo/`]) },
  {
    name: 'rclone sync',
    kind: 'peer',
    needs: ['rclone'],
    publish: ({ repo, far }) => run('rclone', ['sync', '--config=/dev/null', repo, `${far}/repo`]),
  },
];

/** To a bucket. */
export const S3_METHODS: readonly S3Method[] = [
  {
    name: 'ours, s3',
    kind: 'ours',
    needs: [],
    owner: 'ours',
    async publish(bed, config) {
      const target = openTarget(config);
      // The probe belongs to it.
      await target.check(bed.task);
      await publishWith(target, bed, bed.task);
    },
  },
  {
    name: 'rclone sync',
    kind: 'peer',
    needs: ['rclone'],
    owner: 'rclone',
    publish: (bed, config) => rclone(config, ['sync'], bed.repo, 'repo'),
  },
  {
    // Compares the MD5s of a listing with those of the local files, which saves the HEAD for each object.
    name: 'rclone sync --checksum',
    kind: 'peer',
    needs: ['rclone'],
    owner: 'rclone',
    publish: (bed, config) => rclone(config, ['sync', '--checksum', '--fast-list'], bed.repo, 'repo'),
  },
];
