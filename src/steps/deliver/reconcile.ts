import { join } from 'node:path';
import type { Task } from '../../base/task.ts';
import { insistOnWhole, type StoredBuild, surveyBuilds } from '../../build/build-store.ts';
import { releasedHead } from '../../build/promotions.ts';
import type { Config, TargetConfig } from '../../config/config.ts';
import { signaturesIn } from '../../ostree/commit-signatures.ts';
import { refEntries } from '../../publish/flip.ts';
import type { LogGate } from '../../publish/log/logged.ts';
import { keepsLog, openLogGate } from '../../publish/log/release-log.ts';
import { setRef } from '../../publish/move-ref.ts';
import { updateRecord } from '../../publish/publish-files.ts';
import type { ReconcilePlan } from '../../publish/reconcile/reconcile-plan.ts';
import { planReconcile, type ReconcileRepairs, reconcileTarget } from '../../publish/reconcile/reconcile-target.ts';
import { BUILD_INDEX, INDEX_PATH } from '../../published/build-index.ts';
import { keyPath } from '../../published/paths.ts';
import { streamSigners } from '../../run/project.ts';
import { type StreamRefs, streamsOn } from '../../run/streams-on.ts';
import { jointSigner } from '../../signing/open-signer.ts';
import type { Signer } from '../../signing/signer.ts';
import { isSignedByAll } from '../../signing/verify-detached.ts';
import { openTarget } from '../../targets/open-target.ts';
import type { Target } from '../../targets/target.ts';
import { logBuildHere } from '../log/log-build.ts';
import { findOldKeys, offerKeys } from './offered-keys.ts';
import { indexSigning, withBuilds } from './publish-build.ts';
import { publishVerifier } from './publish-pages.ts';
import { targetSigning } from './record-signing.ts';
import { recordTrust } from './record-trust.ts';
import { findUnsigned, signAgainHere, signPointersAgain, unsignedNames } from './sign-again.ts';
import { findUnlogged, unloggedNames } from './unlogged.ts';

export interface ReconcileOptions {
  readonly dryRun: boolean;
  readonly checksums: boolean;
  /** Add the signatures of keys that have come since to the files and commits of earlier builds as well. */
  readonly signBuilds: boolean;
}

/**
 * Compares a target with the work folder, and gives back to it what is lost or damaged there. Signatures of a key that has
 * come since are added.
 * @returns the plan, carried out unless it was a dry run
 * @throws NightlyError `locked` while somebody prunes there, and what a publish to it throws.
 */
export async function reconcile(
  config: Config,
  targetConfig: TargetConfig,
  { dryRun, checksums, signBuilds }: ReconcileOptions,
  task: Task,
): Promise<ReconcilePlan> {
  const target = openTarget(targetConfig);
  const repo = join(config.work, 'repo');
  const streams = await streamsOn(config, target.name);
  const heads = await releasedHeads(config, streams);
  const signing = streams
    .map((one) => ({ ...one, signers: streamSigners(config, one.stream) }))
    .filter(({ signers }) => signers.length > 0);
  const signer = signing[0] && jointSigner(signing[0].signers);
  const unsigned = await findUnsigned(config, signing, { target, builds: signBuilds }, task);
  const unlogged = await findUnlogged(config, streams, { target, pages: targetConfig.pages }, task);
  const oldKeys = targetConfig.pages === false ? [] : await findOldKeys(signing, target, task);
  const imagesSeconds = targetConfig.retention?.imagesSeconds;
  const trust = recordTrust(config, target.name, task);
  const request = {
    trust,
    repo,
    target,
    checksums,
    tree: streams.length === 0 || streams.some(({ use }) => use.tree),
    refs: streams
      .filter(({ use }) => use.tree && !use.releases)
      .flatMap(({ ref, testedRef }) => (testedRef === undefined ? [ref] : [ref, testedRef])),
    heads,
    streams: streams.map(({ stream }) => stream.name),
    releasesOf: streams.flatMap(({ stream: { name, release } }) =>
      release?.to?.images.includes(target.name) ? [name] : [],
    ),
    signed: signer !== undefined,
    unsigned: unsignedNames(unsigned, config.work),
    unvouched: unsigned.unvouched,
    unlogged: unloggedNames(unlogged),
    oldKeys: oldKeys.map(({ stream }) => keyPath(stream)),
    isSigned: async (summary: Uint8Array, signature: Uint8Array) => {
      const packets = signaturesIn(signature);
      for (const { signers } of signing) if (await isSignedByAll(signers, summary, packets, task)) return true;
      return false;
    },
    imagesSeconds,
  };
  if (dryRun) return planReconcile(request, task);
  for (const one of signing.flatMap(({ signers }) => signers)) await one.check(task);
  const log = await openLogGate(config);
  await signAgainHere(unsigned, { work: config.work, target }, task);
  if (keepsLog(config)) {
    for (const { ref, commit } of unlogged.refs) await log.before(await refEntries([ref], commit, repo), target, task);
    await logBuildsHere(config, target, task);
    if (unlogged.verifier) await publishVerifier(config, target, task);
  }
  const plan = await reconcileTarget(request, repairs({ config, repo, target, signer, log }, task), task);
  await signPointersAgain(config, signing, target, task);
  await offerKeys(oldKeys, config, target, task);
  return plan;
}

/** Logs of the builds on a target what is not logged yet, for a log that began later than they did. */
async function logBuildsHere(config: Config, target: Target, task: Task): Promise<void> {
  await logBuilds(config, target, task, ({ meta: { published = [], release, pendingImages } }) => {
    // Of one that several machines work on, the record there counts.
    return pendingImages === undefined && (published.includes(target.name) || release !== undefined);
  });
}

async function logBuilds(
  config: Config,
  target: Target,
  task: Task,
  isMeant: (build: StoredBuild) => boolean,
): Promise<void> {
  for (const build of (await surveyBuilds(config.work)).builds) {
    const signed = build.meta.signedBy !== undefined;
    if (isMeant(build)) await logBuildHere(config, build.paths, { signed }, target, task);
  }
}

/**
 * What the refs of releases name: the local refs follow promotions, which nobody but testers may see.
 * @throws NightlyError `record` when a damaged record may be that of a newer release
 */
async function releasedHeads(config: Config, streams: readonly StreamRefs[]): Promise<Map<string, string>> {
  const survey = await surveyBuilds(config.work);
  return new Map(
    streams.flatMap(({ stream, ref, use }) => {
      if (!use.tree || !use.releases) return [];
      const head = releasedHead(survey.builds, stream.name);
      insistOnWhole(survey, head?.paths.id);
      const commit = head?.meta.ostreeCommit;
      return commit === undefined ? [] : [[ref, commit] as const];
    }),
  );
}

function repairs(
  places: {
    readonly config: Config;
    readonly repo: string;
    readonly target: Target;
    readonly signer: Signer | undefined;
    readonly log: LogGate;
  },
  task: Task,
): ReconcileRepairs {
  const { config, repo, target, signer, log } = places;
  return {
    flip: (ref, commit) => {
      const signing = signer && targetSigning({ config, signer }, target.name, task);
      return setRef({ repo, target, ref, commit, signing, log }, task);
    },
    log: (builds) =>
      logBuilds(config, target, task, ({ meta: { buildid, basearch } }) => builds.has(`${buildid}/${basearch}`)),
    index: (builds) =>
      updateRecord(
        { path: INDEX_PATH, format: BUILD_INDEX },
        (old) => withBuilds(old, builds),
        target,
        task,
        indexSigning({ config, signer }, target, task),
      ),
  };
}
