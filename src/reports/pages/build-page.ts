import { formatAge, formatBytes, formatSeconds } from '../../base/format.ts';
import { promotedTo, testsText } from '../../build/about-build.ts';
import { ADVISORIES_FILE, PROVENANCE_FILE, RECORD_FILE, SUMS } from '../../build/build-files.ts';
import type { BuildMeta } from '../../build/build-record.ts';
import { engineText } from '../../build/engine-text.ts';
import type { JournalEntry } from '../../build/journal.ts';
import { nextCommands, type StreamNeeds } from '../../build/next-commands.ts';
import { rebuiltText, statementsOf } from '../../build/rebuilds.ts';
import type { TestsRecord } from '../../build/tests-record.ts';
import { signatureName } from '../../published/paths.ts';
import { advisoriesView } from './advisories-view.ts';
import { changesText, releasedText } from './build-row.ts';
import type { Links } from './links.ts';
import { pageView } from './page.ts';
import { imageViews } from './page-images.ts';
import { packagesView } from './page-packages.ts';
import { stateView, stepStateView } from './page-state.ts';
import { REVIEW_PAGE } from './static-paths.ts';
import { timeView } from './time-view.ts';
import { finishedText, type StepTime, stepTimes, workingSeconds } from './times.ts';

export interface BuildPageRequest {
  readonly meta: BuildMeta;
  /** How it stands now. */
  readonly state: string;
  /** What became of the SIG's own tests, where some ran. */
  readonly ownTests?: TestsRecord | undefined;
  /** Others that the page may link to. */
  readonly others: readonly BuildMeta[];
  readonly live: boolean;
  /** Names that people gave it; on the service's own pages only. */
  readonly tags?: readonly string[];
  /** URL of the build's folder where it is published; undefined: it is not, or the page lies in that folder. */
  readonly folder?: string | undefined;
  /** Its files lie beside the page, or in `folder`. */
  readonly published: boolean;
  /** Whether the page for those who approve it lies beside it. */
  readonly reviewed?: boolean;
  /** Seconds after which its images are removed from there; undefined: never. */
  readonly imagesSeconds?: number | undefined;
  /** Present on the service's own pages only. */
  readonly run?: StreamNeeds & {
    readonly entries: readonly JournalEntry[];
    readonly releaseEntries: readonly JournalEntry[];
    /** Time in the form that `stepTimes` takes. */
    readonly since: number;
  };
}

/** How many builds a build is offered to be compared with. */
const COMPARED = 60;

/** Returns the page of one build: the values of the template `build`. */
export function buildPage(request: BuildPageRequest) {
  const { meta, state, others, live, run } = request;
  const arch = meta.basearch;
  const page = pageView(meta.name, `Build ${meta.buildid}`, { depth: 3, live });
  const { links } = page;
  const { hrefOf, linkTo } = finders(request, links);
  const parent = others.find((one) => one.ostreeCommit === meta.parent && one.ostreeCommit);
  const images = imageViews(meta, hrefOf);
  const logOf: LogOf = (step) => links.log(meta.buildid, arch, step);
  return {
    ...page,
    id: meta.buildid,
    arch,
    stream: meta.stream,
    streamHref: live ? links.stream(meta.stream) : '',
    state: stateView(state),
    released: releasedText(meta),
    tags: request.tags ?? [],
    time: timeView(meta.ostreeTimestamp),
    duration: run && run.entries.length > 0 ? formatSeconds(workingSeconds(run.entries)) : '',
    changes: changesText(meta),
    facts: facts(meta),
    parent: { commit: meta.parent ?? '', ...linkTo(parent?.buildid ?? '') },
    compareHref: live && parent ? links.compare(parent.buildid, meta.buildid) : '',
    failures: failureViews(request, logOf),
    packages: meta.pkgdiff ? packagesView(meta.pkgdiff) : false,
    advisories: advisoriesView(meta),
    images,
    imagesKept: request.imagesSeconds === undefined ? '' : formatAge(request.imagesSeconds),
    refused: Object.keys(meta.refusedImages ?? {}).join(', '),
    tests: testsText(meta) ?? '',
    ownTests: ownTestViews(request, logOf),
    signedBy: meta.signedBy ?? [],
    records: hrefOf ? recordViews(meta, hrefOf) : [],
    deltas: deltaViews(meta),
    promotion: promotionView(meta, linkTo),
    reviewHref: request.reviewed === true ? links.file(meta.buildid, arch, REVIEW_PAGE) : '',
    promoted: promotedViews(request, linkTo),
    withdrawal: withdrawalView(meta, linkTo),
    ...retractionViews(meta, linkTo),
    steps: run ? stepsView(run.entries, run.since, meta, logOf) : false,
    releaseSteps: run ? stepsView(run.releaseEntries, run.since, meta, logOf) : false,
    commands: run ? nextCommands(meta, state, run) : [],
    comparable: run ? comparable(request) : [],
  };
}

type LogOf = (step: string) => string;

/** Logs are there for those who run the service, and on targets. */
const hasLogs = ({ run, published }: BuildPageRequest): boolean => run !== undefined || published;

function failureViews(request: BuildPageRequest, logOf: LogOf) {
  return (request.meta.failures ?? []).map(({ step, code, message }) => ({
    step,
    code,
    // A message may name paths of the build host: it is for those who run the service (I9).
    message: request.run ? message : '',
    href: hasLogs(request) ? logOf(step) : '',
  }));
}

/** Returns the results of the SIG's own tests. */
function ownTestViews(request: BuildPageRequest, logOf: LogOf) {
  return (request.ownTests?.results ?? []).map(({ name, image, verdict, reboots, seconds, message, log }) => ({
    ...{ name, image, verdict, reboots },
    duration: formatSeconds(seconds),
    // A message may name paths of the build host (I9).
    message: request.run ? (message ?? '') : '',
    href: log !== undefined && hasLogs(request) ? logOf(`test-${image}.${name}`) : '',
  }));
}

function recordViews(meta: BuildMeta, hrefOf: (path: string) => string) {
  const files = [RECORD_FILE, 'lockfile.json', 'treefile.json', 'diff.json', ...furtherFiles(meta), SUMS];
  const signed = files.map((file) => ({
    file,
    href: hrefOf(file),
    signature: meta.signedBy ? hrefOf(signatureName(file)) : '',
  }));
  // A statement has its signature in it.
  return [...signed, ...statementsOf(meta).map((file) => ({ file, href: hrefOf(file), signature: '' }))];
}

function deltaViews(meta: BuildMeta) {
  return (meta.deltas ?? []).map(({ from, bytes, objects, objectBytes: without }) => ({
    from: from ?? 'scratch',
    objects,
    bytes: formatBytes(bytes),
    without: formatBytes(without),
  }));
}

/** Returns the promotions of a build. */
function promotedViews({ meta, others }: BuildPageRequest, linkTo: LinkTo) {
  const candidates = others.map((one) => ({ meta: one }));
  return promotedTo(candidates, meta.buildid, (one) => one.meta.state).map(
    ({ build, stream, attempt, released, state, 'superseded-by': superseded = '' }) => ({
      ...linkTo(build),
      stream,
      attempt,
      released,
      state: stateView(state),
      superseded,
    }),
  );
}

/** There for builds whose record says what they were made from, or what their changes fix. */
const furtherFiles = ({ inputs, advisories }: BuildMeta): string[] => [
  ...(inputs === undefined ? [] : [PROVENANCE_FILE]),
  ...(advisories === undefined ? [] : [ADVISORIES_FILE]),
];

/** Ids of builds that have a tree as well. */
function comparable({ meta, others }: BuildPageRequest): string[] {
  if (meta.ostreeCommit === undefined) return [];
  const found = others.filter((one) => one.ostreeCommit !== undefined && one.buildid !== meta.buildid);
  return found.slice(0, COMPARED).map(({ buildid }) => buildid);
}

/** Returns where files and other builds are to be found; other builds only where they are known. */
function finders({ meta, others, live, folder, published }: BuildPageRequest, links: Links) {
  const arch = meta.basearch;
  const inFolder = (path: string) =>
    folder === undefined ? links.file(meta.buildid, arch, path) : `${folder}/${path}`;
  const hrefOf = published && !(live && folder === undefined) ? inFolder : undefined;
  const linkTo = (id: string) => {
    const found = others.find((one) => one.buildid === id);
    return { id, href: found ? links.build(id, found.basearch) : '' };
  };
  return { hrefOf, linkTo };
}

function facts(meta: BuildMeta): { name: string; value: string; code: boolean }[] {
  const { engine, compose, tree } = meta;
  const all: readonly (readonly [string, string | undefined, boolean])[] = [
    ['Ref', meta.ref, true],
    ['Commit', meta.ostreeCommit, true],
    ['Kernel', compose?.kernel, true],
    ['Tree', tree && `${formatBytes(tree.bytes)} in ${tree.objects} objects`, false],
    ['Engine', engineText(engine), false],
    ['Rebuilt', rebuiltText(meta), false],
    ['Published to', meta.published?.join(', '), false],
  ];
  return all.flatMap(([name, value, code]) => (value === undefined || value === '' ? [] : [{ name, value, code }]));
}

type LinkTo = (id: string) => { id: string; href: string };

function promotionView(meta: BuildMeta, linkTo: LinkTo) {
  const promotion = meta.promotion;
  if (!promotion) return false;
  const { of, attempt, recommit, reason = '', overrides, excludes, upstream = '', supersedes } = promotion;
  const accepted = promotion.differencesAccepted;
  const release = meta.release;
  return {
    night: linkTo(of),
    attempt,
    recommit,
    reason,
    upstream,
    overrides,
    excludes,
    accepted: accepted ? String(accepted.count) : '',
    supersedes: supersedes.map(linkTo),
    superseded: linkTo(meta.supersededBy ?? ''),
    approvals: (meta.approvals ?? []).map(({ by, at, note = '' }) => ({
      by,
      note,
      at: timeView(at),
    })),
    released: release ? timeView(release.at) : false,
    withdrawn: release?.withdrawn
      ? { at: timeView(release.withdrawn.at), reason: release.withdrawn.reason, by: linkTo(release.withdrawn.by) }
      : false,
  };
}

function withdrawalView(meta: BuildMeta, linkTo: LinkTo) {
  const withdrawal = meta.withdrawal;
  return withdrawal
    ? { of: linkTo(withdrawal.of), previous: linkTo(withdrawal.previous), reason: withdrawal.reason }
    : false;
}

/** What a build takes back, and what took it back. */
function retractionViews(meta: BuildMeta, linkTo: LinkTo) {
  const { retraction, retracted } = meta;
  return {
    retraction: retraction && {
      of: [retraction.of, ...retraction.between].map(linkTo),
      previous: linkTo(retraction.previous),
      reason: retraction.reason,
    },
    retracted: retracted && { at: timeView(retracted.at), reason: retracted.reason, by: linkTo(retracted.by) },
  };
}

/** Returns the steps of a build: what failed or runs first, what is done for those who unfold it; false without any. */
function stepsView(entries: readonly JournalEntry[], since: number, { failures = [] }: BuildMeta, hrefOf: LogOf) {
  const isTold = (one: StepTime) => failures.some(({ step, message }) => step === one.step && message === one.message);
  // A failure has its words once on the page, at its top.
  const steps = stepTimes(entries, since).map((one) => (isTold(one) ? { ...one, message: '' } : one));
  if (steps.length === 0) return false;
  const done = steps.filter(({ state }) => state === 'done');
  return {
    open: stepRows(
      steps.filter(({ state }) => state !== 'done'),
      hrefOf,
    ),
    done: stepRows(done, hrefOf),
    doneText: finishedText(done.length),
  };
}

function stepRows(steps: readonly StepTime[], hrefOf: LogOf) {
  return steps.map(({ step, state, start, end, message = '' }) => ({
    step,
    state: stepStateView(state),
    message,
    href: hrefOf(step),
    start: timeView(start),
    duration: end === undefined ? '' : formatSeconds((end - start) / 1000),
  }));
}
