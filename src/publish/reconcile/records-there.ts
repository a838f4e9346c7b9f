import { join } from 'node:path';
import { z } from 'zod';
import { bytesIfThere } from '../../base/files.ts';
import { type RecordOf, readRecordIfGood, recordFormat } from '../../base/read-record.ts';
import type { Task } from '../../base/task.ts';
import { RECORD_FILE, SUMS } from '../../build/build-files.ts';
import {
  buildId,
  count,
  imagePath,
  imagesWith,
  instant,
  isBuildFolder,
  pathBelow,
  sha256Hex,
  word,
} from '../../build/record-values.ts';
import { folderOfKey, isSignatureName, signatureName } from '../../published/paths.ts';
import { NOT_SIGNED, type RecordTrust } from '../../published/record-trust.ts';
import { contentEquals } from '../../targets/expect.ts';
import type { Target } from '../../targets/target.ts';
import type { ReconcileFile, Unrepairable } from './reconcile-plan.ts';

/** What of a record decides what is to be there. Whoever has read one wrong sends nothing and removes nothing for it. */
const META = recordFormat({
  schema: z.looseObject({
    buildid: buildId.exactOptional(),
    'ostree-commit': sha256Hex.exactOptional(),
    'ostree-timestamp': instant,
    'atomic-nightly.state': z.string().exactOptional(),
    'atomic-nightly.published': z.array(word).exactOptional(),
    'atomic-nightly.pending-images': z.array(word).exactOptional(),
    'atomic-nightly.stream': word.exactOptional(),
    'atomic-nightly.rebuilds': z.array(z.looseObject({ statement: pathBelow })).exactOptional(),
    'atomic-nightly.release': z.looseObject({}).exactOptional(),
    'atomic-nightly.retracted': z.looseObject({ by: buildId, reason: z.string() }).exactOptional(),
    images: imagesWith({ path: imagePath, size: count }).exactOptional(),
  }),
  hint: '',
});

/** A record, as far as it matters here. */
export type Meta = RecordOf<typeof META>;

/** Undefined for a record that is damaged, or another build's. */
export function readMeta(content: Uint8Array | undefined, build: string): Meta | undefined {
  const meta = readRecordIfGood(content, META);
  return meta && (meta.buildid === undefined || build.startsWith(`${meta.buildid}/`)) ? meta : undefined;
}

/** `<id>/<arch>`, and a file in it. */
export const IN_BUILD = /^builds\/(\d{8}_\d{2,}\/[\w.-]+)\/(.+)$/;

/** A target's files of builds, and who judges them. */
interface Listed {
  readonly target: Target;
  readonly trust: RecordTrust | undefined;
  /** Sizes by path. */
  readonly listed: ReadonlyMap<string, number>;
}

/**
 * Adds the records and checksums of builds that have the right size there and other bytes than here, where records are judged:
 * what nobody signed, or what was signed of another build, is damage.
 */
export async function addAltered(
  builds: readonly string[],
  { work, target, trust, listed }: Listed & { readonly work: string },
  found: { readonly records: ReconcileFile[]; readonly signatures: ReconcileFile[] },
  task: Task,
): Promise<void> {
  if (!trust) return;
  const due = new Set([...found.records, ...found.signatures].map(({ path }) => path));
  const paths = builds
    .flatMap((build) => [RECORD_FILE, SUMS].map((name) => `${folderOfKey(build)}/${name}`))
    .filter((path) => listed.has(path) && !due.has(path));
  const files = paths.flatMap((path) => [path, signatureName(path)]);
  const contents = await target.readMany(files, task);
  for (const [index, path] of files.entries()) {
    const local = await bytesIfThere(join(work, path));
    if (!local || contentEquals(contents[index], local) || due.has(path)) continue;
    const list = isSignatureName(path) ? found.signatures : found.records;
    list.push({ path, bytes: local.length, why: listed.has(path) ? 'content' : 'missing' });
  }
}

/**
 * Returns the builds that another machine published: their records there say which commit they have. One that is not believed
 * is named and left out.
 */
export async function buildsOfOthers(
  {
    target,
    trust,
    listed,
    hasCommit,
    skip,
  }: Listed & { readonly hasCommit: (commit: string) => boolean; readonly skip: ReadonlySet<string> },
  unrepairable: Unrepairable[],
  task: Task,
): Promise<Map<string, Meta>> {
  const builds = [...listed.keys()].flatMap((path) => {
    const [, build, name] = IN_BUILD.exec(path) ?? [];
    return build !== undefined && isBuildFolder(build) && name === RECORD_FILE && !skip.has(build) ? [build] : [];
  });
  const paths = builds.map((build) => `${folderOfKey(build)}/${RECORD_FILE}`);
  const contents = await target.readMany([...paths, ...(trust ? paths.map(signatureName) : [])], task);
  const found = new Map<string, Meta>();
  for (const [index, build] of builds.entries()) {
    const [content, path = ''] = [contents[index], paths[index]];
    const meta = readMeta(content, build);
    const commit = meta?.ostreeCommit;
    if (!content || !meta || commit === undefined || !hasCommit(commit)) continue;
    if (trust && !(await trust.believes(path, content, contents[paths.length + index]))) {
      const hint = 'Find out who wrote it; the machine that made the build can publish it again.';
      unrepairable.push({ what: path, why: `${NOT_SIGNED}, so the index does not name that build`, hint });
    } else found.set(build, meta);
  }
  return found;
}
