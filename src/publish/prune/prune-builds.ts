import { z } from 'zod';
import { NightlyError } from '../../base/errors.ts';
import { damaged as damagedRecord, type RecordOf, recordFormat } from '../../base/read-record.ts';
import type { Task } from '../../base/task.ts';
import { buildId, count, fingerprint, imagePath, imagesWith, instant, sha256Hex } from '../../build/record-values.ts';
import type { TargetRetention } from '../../config/config.ts';
import { filesOfImage } from '../../images/image.ts';
import { isChecksum } from '../../ostree/objects.ts';
import { BUILD_INDEX, INDEX_PATH } from '../../published/build-index.ts';
import { folderOfKey, recordPath, signatureName } from '../../published/paths.ts';
import { NOT_SIGNED, type PruneSigning, type RecordSigning, type RecordTrust } from '../../published/record-trust.ts';
import type { RetiredFile } from '../../published/retired.ts';
import { onTarget, placeOn, readTargetRecord } from '../../published/target-record.ts';
import { BOX_CATALOGUE, withoutBoxVersions } from '../../published/vagrant-catalogue.ts';
import type { Target, TargetFile } from '../../targets/target.ts';
import { updateRecord } from '../publish-files.ts';
import type { PruneDecision, TaggedBuild } from './decide.ts';
import { tombstonePath } from './tombstone.ts';

/** What goes of the builds on a target. Their records stay: they are small, and the evidence. */
export interface BuildsPlan {
  /** Images and logs, by their own ages. */
  readonly files: readonly TargetFile[];
  /** Ids of the builds whose images go; their boxes leave the catalogues first. */
  readonly boxes: readonly string[];
  /** Builds that leave the index: neither a commit nor an image of them is there any more. */
  readonly unlisted: readonly { readonly id: string; readonly arch: string }[];
  /** `RetiredFile.builds` as it is afterwards. */
  readonly marks: RetiredFile['builds'];
}

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

function refuseUnsigned(path: string, target: Target): never {
  return onTarget(() => {
    throw damagedRecord(placeOn(path, target), NOT_SIGNED, UNSIGNED_HINT);
  });
}

type Meta = RecordOf<typeof META>;

/** Finds out which images and logs are due and which builds the index need not name any more. Nothing is written. */
export async function planBuilds(
  {
    target,
    retention,
    now,
    trust,
    tagged = [],
  }: {
    readonly target: Target;
    readonly retention: TargetRetention;
    readonly now: number;
    readonly trust?: RecordTrust | undefined;
    readonly tagged?: readonly TaggedBuild[];
  },
  decision: PruneDecision,
  task: Task,
): Promise<BuildsPlan> {
  const { retired, promoted, linkedBuilds } = decision.state;
  const { imagesSeconds, logsSeconds } = retention;
  const marks = { ...retired.builds };
  const going = new Set([...decision.goes.values()].flatMap(({ version }) => version ?? []));
  const [files, boxes, unlisted]: [TargetFile[], string[], { id: string; arch: string }[]] = [[], [], []];
  const [content, signature] = await target.readMany([INDEX_PATH, signatureName(INDEX_PATH)], task);
  if (content && trust && !(await trust.believes(INDEX_PATH, content, signature))) {
    refuseUnsigned(INDEX_PATH, target);
  }
  const index = content && readTargetRecord(content, BUILD_INDEX, INDEX_PATH, target);
  const builds = (index?.builds ?? []).flatMap(({ id, arches }) => arches.map((arch) => ({ id, arch })));
  const wanted = builds.filter(({ id, arch }) => {
    const { images, logs } = marks[`${id}/${arch}`] ?? {};
    const age = now - dayOf(id);
    return going.has(id) || (!images && age > (imagesSeconds ?? age)) || (!logs && age > (logsSeconds ?? age));
  });
  const { metas, damaged } = await readMetas(wanted, { target, trust }, task);
  for (const { message } of damaged) task.say(`${message} Nothing of that build is removed.`);
  const date = new Date(now * 1000).toISOString();
  for (const { id, arch, meta, tombstone } of metas) {
    const key = `${id}/${arch}`;
    const commit = meta.ostreeCommit ?? '';
    const age = now - Date.parse(meta.ostreeTimestamp) / 1000;
    const reasons = decision.kept.get(commit);
    const isNeeded =
      reasons?.has('promoted') ||
      reasons?.has('ref') ||
      linkedBuilds.has(id) ||
      isPromoted(id, promoted) ||
      tagged.some((one) => one.id === id);
    const due = (limit: number | undefined): boolean => !isNeeded && limit !== undefined && age > limit;
    const mark = marks[key] ?? {};
    const images = Object.values(meta.images ?? {}).flatMap(filesOfImage);
    const [imagesGo, logsGo] = [!mark.images && due(imagesSeconds), !mark.logs && due(logsSeconds)];
    const folder = folderOfKey(key);
    if (imagesGo) {
      files.push(...images.map(({ path, size }) => ({ path: `${folder}/${path}`, bytes: size })));
      // Of a few hundred bytes each, which nobody counts.
      const signed = meta.signedBy === undefined ? [] : images;
      files.push(...signed.map(({ path }) => ({ path: signatureName(`${folder}/${path}`), bytes: 0 })));
      if (images.length > 0) boxes.push(id);
    }
    if (logsGo) for await (const file of target.list(`${folder}/logs`, task)) files.push(file);
    const next = { ...mark, ...(imagesGo ? { images: date } : {}), ...(logsGo ? { logs: date } : {}) };
    const imagesLeft = images.length > 0 && !next.images;
    const logsLeft = logsSeconds !== undefined && !next.logs;
    // A prune that was killed leaves a tombstone beside a commit, which may have been taken back since.
    const commitThere = decision.stays.has(commit) || decision.waits.has(commit);
    const commitGone = decision.goes.has(commit) || (tombstone && !commitThere);
    if (commitGone && !imagesLeft && !logsLeft) {
      unlisted.push({ id, arch });
      delete marks[key];
    } else if (imagesGo || logsGo) marks[key] = next;
  }
  return { files, boxes, unlisted, marks };
}

/**
 * Takes images out of the box catalogues and builds out of the index, so that no link leads to what is deleted next.
 */
export async function forgetBuilds(
  plan: BuildsPlan,
  target: Target,
  task: Task,
  signing: PruneSigning = {},
): Promise<void> {
  if (plan.boxes.length > 0) {
    for await (const { path } of target.list('vagrant', task)) {
      if (!path.endsWith('.json')) continue;
      await updateRecord(
        { path, format: BOX_CATALOGUE },
        (old) => old && withoutBoxVersions(old, plan.boxes),
        target,
        task,
        signedOrRefused(path, target, signing),
      );
    }
  }
  if (plan.unlisted.length === 0) return;
  const gone = new Set(plan.unlisted.map(({ id, arch }) => `${id}/${arch}`));
  await updateRecord(
    { path: INDEX_PATH, format: BUILD_INDEX },
    (old) => {
      if (!old) throw new NightlyError('target-moved', `${INDEX_PATH} on target "${target.name}" has gone meanwhile.`);
      const builds = old.builds
        .map((one) => ({ ...one, arches: one.arches.filter((arch) => !gone.has(`${one.id}/${arch}`)) }))
        .filter(({ arches }) => arches.length > 0);
      return { ...old, builds, timestamp: new Date().toISOString() };
    },
    target,
    task,
    signedOrRefused(INDEX_PATH, target, signing),
  );
}

/** A prune makes nothing anew: whoever publishes there does (I8). */
function signedOrRefused(
  path: string,
  target: Target,
  { signer, trust }: PruneSigning,
): RecordSigning<never> | undefined {
  if (!signer || !trust) return undefined;
  return { signer, trust, anew: async () => refuseUnsigned(path, target) };
}

async function readMetas(
  builds: readonly { id: string; arch: string }[],
  { target, trust }: { readonly target: Target; readonly trust: RecordTrust | undefined },
  task: Task,
) {
  if (builds.length === 0) return { metas: [], damaged: [] };
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
  return { metas: found.map((build, index) => ({ ...build, tombstone: dead.has(commits[index] ?? '') })), damaged };
}

function metaOf(content: Uint8Array, id: string, path: string, target: Target, isBelieved: boolean): Meta {
  if (!isBelieved) refuseUnsigned(path, target);
  const meta = readTargetRecord(content, META, path, target);
  if (meta.buildid === undefined || meta.buildid === id) return meta;
  return onTarget(() => {
    throw damagedRecord(placeOn(path, target), `it is the record of build ${meta.buildid}`, META.hint);
  });
}

function isPromoted(id: string, promoted: PruneDecision['state']['promoted']): boolean {
  return Object.values(promoted).some(({ build, release }) => build === id || release === id);
}

/** First second of a build id's day. */
function dayOf(id: string): number {
  return Date.parse(`${id.slice(0, 4)}-${id.slice(4, 6)}-${id.slice(6, 8)}T00:00:00Z`) / 1000;
}
