import { z } from 'zod';
import { NightlyError } from '../../base/errors.ts';
import { damaged as damagedRecord, type RecordOf, recordFormat } from '../../base/read-record.ts';
import type { Task } from '../../base/task.ts';
import { buildId, count, fingerprint, imagePath, imagesWith, instant, sha256Hex } from '../../build/record-values.ts';
import { isChecksum } from '../../ostree/objects.ts';
import { recordPath, signatureName } from '../../published/paths.ts';
import { NOT_SIGNED, type RecordTrust } from '../../published/record-trust.ts';
import { onTarget, placeOn, readTargetRecord } from '../../published/target-record.ts';
import type { Target } from '../../targets/target.ts';
import { tombstonePath } from './tombstone.ts';

/** What decides about a build's files; the whole record is more than a coreos-assembler's would have. */
const META = recordFormat({
  schema: z.looseObject({
    buildid: buildId.exactOptional(),
    'ostree-commit': sha256Hex.exactOptional(),
    'ostree-timestamp': instant,
    images: imagesWith({ path: imagePath, size: count }).exactOptional(),
    'atomic-nightly.signed-by': z.array(fingerprint).exactOptional(),
  }),
  hint: 'Bring it back from a backup, or "atomic-nightly publish --reconcile"; until then nothing of that build is removed.',
});

const UNSIGNED_HINT =
  'Find out who wrote it. "atomic-nightly publish --reconcile" on the machine that publishes there puts back what it has.';

/**
 * Refuses to decide by a file of a target that nobody believes.
 * @throws NightlyError `unsupported`, always
 */
export function refuseUnsigned(path: string, target: Target): never {
  return onTarget(() => {
    throw damagedRecord(placeOn(path, target), NOT_SIGNED, UNSIGNED_HINT);
  });
}

type Meta = RecordOf<typeof META>;

/** A build with its record. */
export interface ReadBuild {
  readonly id: string;
  readonly arch: string;
  readonly meta: Meta;
  /** Whether a prune has begun to remove its commit. */
  readonly tombstone: boolean;
}

/**
 * Reads the records of builds, in two round trips.
 * @returns those that can be read, and what is wrong with the others; a build without a record is in neither
 */
export async function readBuildRecords(
  builds: readonly { id: string; arch: string }[],
  { target, trust }: { readonly target: Target; readonly trust: RecordTrust | undefined },
  task: Task,
): Promise<{ readonly read: readonly ReadBuild[]; readonly damaged: readonly NightlyError[] }> {
  if (builds.length === 0) return { read: [], damaged: [] };
  const paths = builds.map(({ id, arch }) => recordPath(id, arch));
  const signatures = trust ? paths.map(signatureName) : [];
  const contents = await target.readMany([...paths, ...signatures], task);
  const damaged: NightlyError[] = [];
  const found: { id: string; arch: string; meta: Meta }[] = [];
  for (const [index, { id, arch }] of builds.entries()) {
    const [content, path = ''] = [contents[index], paths[index]];
    if (!content) continue;
    try {
      const isBelieved = !trust || (await trust.believes(path, content, contents[paths.length + index]));
      found.push({ id, arch, meta: metaOf(content, id, path, target, isBelieved) });
    } catch (error) {
      if (!(error instanceof NightlyError) || error.code !== 'unsupported') throw error;
      damaged.push(error);
    }
  }
  const commits = found.map(({ meta }) => meta.ostreeCommit ?? '');
  const known = commits.filter(isChecksum);
  const stones = await target.readMany(
    known.map((commit) => `repo/${tombstonePath(commit)}`),
    task,
  );
  const dead = new Set(known.filter((_, index) => stones[index] !== undefined));
  return { read: found.map((build, index) => ({ ...build, tombstone: dead.has(commits[index] ?? '') })), damaged };
}

function metaOf(content: Uint8Array, id: string, path: string, target: Target, isBelieved: boolean): Meta {
  if (!isBelieved) refuseUnsigned(path, target);
  const meta = readTargetRecord(content, META, path, target);
  if (meta.buildid === undefined || meta.buildid === id) return meta;
  return onTarget(() => {
    throw damagedRecord(placeOn(path, target), `it is the record of build ${meta.buildid}`, META.hint);
  });
}
