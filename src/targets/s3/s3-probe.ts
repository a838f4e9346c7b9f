import { NightlyError } from '../../base/errors.ts';
import type { Task } from '../../base/task.ts';
import type { Bucket } from './s3-client.ts';
import { type Condition, type EtagStyle, putObject, tryPut } from './s3-put.ts';

/** Always the same few bytes, so that two publishers that probe at once do not disturb each other. */
const PATH = '.atomic-nightly.probe';
const CONTENT = Buffer.from(
  'atomic-nightly puts this to see whether the server honours conditions; it may be removed.\n',
);

/** The MD5 of nothing this program puts. */
const OTHER = '00000000000000000000000000000000';

/**
 * Finds out whether a server honours the conditions that keep publishers from overwriting each other, and how it wants
 * them spelled. Some servers accept the headers and ignore them, so only a try shows. Four or five small PUTs.
 * @throws NightlyError `unsupported` when it does not; else what faults.ts has for a server that cannot be written to.
 */
export async function probe(bucket: Bucket, task: Task): Promise<EtagStyle> {
  const isAccepted = async (condition: Condition): Promise<boolean> =>
    (await tryPut(bucket, PATH, CONTENT, condition, task)).etag !== undefined;
  for (let tries = 1; ; tries += 1) {
    const etag = (await putObject(bucket, PATH, CONTENT, false, task)).replaceAll('"', '');
    if (await isAccepted({ IfNoneMatch: '*' })) throw ignored(bucket, 'If-None-Match: *');
    if (await isAccepted({ IfMatch: `"${OTHER}"` })) throw ignored(bucket, 'If-Match');
    if (await isAccepted({ IfMatch: `"${etag}"` })) return 'quoted';
    if (await isAccepted({ IfMatch: etag })) return 'bare';
    // Where a managed key encrypts, equal contents have different ETags, and another probe may have come in between.
    if (tries === 3) throw ignored(bucket, 'If-Match with the right ETag');
  }
}

function ignored({ config }: Bucket, what: string): NightlyError {
  return new NightlyError(
    'unsupported',
    `Target "${config.name}": the S3 server at ${config.endpoint ?? 'Amazon'} does not honour "${what}" on a PUT, so of two publishers one would overwrite the other's refs unseen.`,
    {
      hint: 'Use a server with conditional writes (Amazon S3, Ceph 16 or newer, MinIO and Cloudflare R2 have them), or publish to a "directory", "ssh" or "rsync" target.',
    },
  );
}
