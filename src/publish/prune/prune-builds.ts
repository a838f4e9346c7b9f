import { NightlyError } from '../../base/errors.ts';
import type { Task } from '../../base/task.ts';
import type { TargetRetention } from '../../config/config.ts';
import { filesOfImage } from '../../images/image.ts';
import { BUILD_INDEX, INDEX_PATH } from '../../published/build-index.ts';
import { folderOfKey, signatureName } from '../../published/paths.ts';
import type { PruneSigning, RecordSigning, RecordTrust } from '../../published/record-trust.ts';
import type { RetiredFile } from '../../published/retired.ts';
import { readTargetRecord } from '../../published/target-record.ts';
import { BOX_CATALOGUE, withoutBoxVersions } from '../../published/vagrant-catalogue.ts';
import type { Target, TargetFile } from '../../targets/target.ts';
import { updateRecord } from '../publish-files.ts';
import type { PruneDecision, TaggedBuild } from './decide.ts';
import { type ReadBuild, readBuildRecords, refuseUnsigned } from './prune-records.ts';

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

/** What decides about the files of builds. */
interface BuildsQuestion {
  readonly target: Target;
  readonly retention: TargetRetention;
  /** Seconds since the epoch. */
  readonly now: number;
  readonly trust?: RecordTrust | undefined;
  readonly tagged?: readonly TaggedBuild[];
}

/** Finds out which images and logs are due and which builds the index need not name any more. Nothing is written. */
export async function planBuilds(question: BuildsQuestion, decision: PruneDecision, task: Task): Promise<BuildsPlan> {
  const { target, now, trust } = question;
  const marks = { ...decision.state.retired.builds };
  const [files, boxes, unlisted]: [TargetFile[], string[], { id: string; arch: string }[]] = [[], [], []];
  const wanted = await buildsToRead(question, decision, task);
  const { read, damaged } = await readBuildRecords(wanted, { target, trust }, task);
  for (const { message } of damaged) task.say(`${message} Nothing of that build is removed.`);
  const date = new Date(now * 1000).toISOString();
  for (const build of read) {
    const { id, arch } = build;
    const key = `${id}/${arch}`;
    const { images, logs, isOver } = filesDue(build, marks[key], question, decision);
    if (images) {
      files.push(...imageFiles(build));
      if (imagesOf(build).length > 0) boxes.push(id);
    }
    if (logs) for await (const file of target.list(`${folderOfKey(key)}/logs`, task)) files.push(file);
    if (isOver) {
      unlisted.push({ id, arch });
      delete marks[key];
    } else if (images || logs) {
      marks[key] = { ...marks[key], ...(images ? { images: date } : {}), ...(logs ? { logs: date } : {}) };
    }
  }
  return { files, boxes, unlisted, marks };
}

/** Returns the builds whose records have to be read: those of which something may go. */
async function buildsToRead(
  { target, retention, now, trust }: BuildsQuestion,
  { state, goes }: PruneDecision,
  task: Task,
): Promise<{ id: string; arch: string }[]> {
  const { imagesSeconds, logsSeconds } = retention;
  const [content, signature] = await target.readMany([INDEX_PATH, signatureName(INDEX_PATH)], task);
  if (content && trust && !(await trust.believes(INDEX_PATH, content, signature))) {
    refuseUnsigned(INDEX_PATH, target);
  }
  const index = content && readTargetRecord(content, BUILD_INDEX, INDEX_PATH, target);
  const builds = (index?.builds ?? []).flatMap(({ id, arches }) => arches.map((arch) => ({ id, arch })));
  const going = new Set([...goes.values()].flatMap(({ version }) => version ?? []));
  return builds.filter(({ id, arch }) => {
    const { images, logs } = state.retired.builds[`${id}/${arch}`] ?? {};
    const age = now - dayOf(id);
    return going.has(id) || (!images && age > (imagesSeconds ?? age)) || (!logs && age > (logsSeconds ?? age));
  });
}

/**
 * Returns whether images and logs of a build go now, and whether nothing of it is left then, so that the index need not
 * name it.
 * @param mark when they went earlier
 */
function filesDue(
  build: ReadBuild,
  mark: RetiredFile['builds'][string] = {},
  { retention, now, tagged = [] }: BuildsQuestion,
  { state, kept, stays, waits, goes }: PruneDecision,
): { readonly images: boolean; readonly logs: boolean; readonly isOver: boolean } {
  const { id, meta, tombstone } = build;
  const { imagesSeconds, logsSeconds } = retention;
  const commit = meta.ostreeCommit ?? '';
  const age = now - Date.parse(meta.ostreeTimestamp) / 1000;
  const reasons = kept.get(commit);
  const isNeeded =
    reasons?.has('promoted') ||
    reasons?.has('ref') ||
    state.linkedBuilds.has(id) ||
    isPromoted(id, state.promoted) ||
    tagged.some((one) => one.id === id);
  const due = (limit: number | undefined): boolean => !isNeeded && limit !== undefined && age > limit;
  const [images, logs] = [!mark.images && due(imagesSeconds), !mark.logs && due(logsSeconds)];
  const imagesLeft = imagesOf(build).length > 0 && !mark.images && !images;
  const logsLeft = logsSeconds !== undefined && !mark.logs && !logs;
  // A prune that was killed leaves a tombstone beside a commit, which may have been taken back since.
  const commitThere = stays.has(commit) || waits.has(commit);
  const commitGone = goes.has(commit) || (tombstone && !commitThere);
  return { images, logs, isOver: commitGone && !imagesLeft && !logsLeft };
}

const imagesOf = ({ meta }: ReadBuild) => Object.values(meta.images ?? {}).flatMap(filesOfImage);

/** Returns the images of a build with their signatures. */
function imageFiles(build: ReadBuild): TargetFile[] {
  const folder = folderOfKey(`${build.id}/${build.arch}`);
  const images = imagesOf(build).map(({ path, size }) => ({ path: `${folder}/${path}`, bytes: size }));
  if (build.meta.signedBy === undefined) return images;
  // Of a few hundred bytes each, which nobody counts.
  return [...images, ...images.map(({ path }) => ({ path: signatureName(path), bytes: 0 }))];
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

function isPromoted(id: string, promoted: PruneDecision['state']['promoted']): boolean {
  return Object.values(promoted).some(({ build, release }) => build === id || release === id);
}

/** First second of a build id's day. */
function dayOf(id: string): number {
  return Date.parse(`${id.slice(0, 4)}-${id.slice(4, 6)}-${id.slice(6, 8)}T00:00:00Z`) / 1000;
}
