import { dirname, resolve } from 'node:path';
import { NightlyError } from '../base/errors.ts';
import { oneLine } from '../base/one-line.ts';
import type { Task } from '../base/task.ts';
import { signaturesIn, withSignature } from '../ostree/commit-signatures.ts';
import { localObjects, parseCommit, readCommit } from '../ostree/objects.ts';
import { formatEntry } from '../published/log-entry.ts';
import type { TargetSigning } from '../published/record-trust.ts';
import { contentEquals } from '../targets/expect.ts';
import type { SwapRequest, Target } from '../targets/target.ts';
import { aliasesOf, refuseAlias } from './alias-refs.ts';
import { refuseWhileDeleting } from './epoch.ts';
import { CONFIG, refuseCollection, refuseForeign } from './foreign-repository.ts';
import { commitIn, headPaths, readHeads } from './heads.ts';
import { NO_LOG } from './log/logged.ts';
import type { PublishPlaces } from './publish-places.ts';
import type { PublishPlan } from './publish-plan.ts';
import { publishedObjects } from './published-objects.ts';
import { summaryRefs, summaryWith } from './summary.ts';
import { swapWithRetry } from './swap-with-retry.ts';
import { vouchedRefs } from './vouched-commits.ts';

/** Folders that nothing published is in, without which ostree's own commands refuse to work on the repository there. */
const FOLDERS = ['repo/refs/remotes/', 'repo/state/', 'repo/tmp/'];

/**
 * Moves the ref of a plan whose objects are all there, and makes the summary follow. A signed summary and its signature
 * are put one right after the other, the signature first: clients ask for it first, and one that asks in between is told
 * by the mismatch to try again.
 * @throws NightlyError `target-moved`, `locked`, `unsupported`, `signing`.
 */
export async function flip(plan: PublishPlan, places: PublishPlaces, task: Task): Promise<void> {
  const { repo, target, signing, log } = places;
  const signer = signing?.signer;
  const paths = headPaths(plan.ref);
  let known = places.heads;
  // Publishers of other refs may change the summary meanwhile: then the swap is refused, and all is read again.
  const prepare = async (): Promise<SwapRequest | undefined> => {
    const { ref, summary, config, signature, epoch, links } = known ?? (await readHeads(target, plan.ref, task));
    known = undefined;
    refuseForeign({ config, summary, signature, signs: signer !== undefined }, target);
    refuseCollection({ config, summary, bound: await collectionOf(plan.to, repo) }, target);
    refuseAlias(plan.ref, links, target);
    refuseWhileDeleting(epoch, target);
    if ((epoch && new TextDecoder().decode(epoch)) !== plan.epoch) throw prunedError(plan, target);
    // As text: a repair replaces whatever its plan has found there.
    const at = ref && new TextDecoder().decode(ref).trim();
    const listed = summary ? summaryRefs(summary) : new Map<string, string>();
    const isKnown = !summary || !signing || (await isVouchedFor(summary, signature, signing.trust));
    // Its aliases have moved as soon as its file has, so the summary has them move with it.
    const moved = [plan.ref, ...aliasesOf(plan.ref, listed.keys(), links)];
    if (log !== NO_LOG && (at === plan.to || at === plan.from)) {
      await log.before(await refEntries(moved, plan.to, repo), target, task);
    }
    if (config && summary && at === plan.to && moved.every((one) => listed.get(one) === plan.to) && isKnown) {
      if (!signer) return undefined;
      // The signature may be lost, or over another summary.
      const content = withSignature(undefined, await signer.sign(summary, task));
      if (contentEquals(signature, content)) return undefined;
      const expect = [
        { path: paths.summary, content: summary },
        { path: paths.signature, content: signature },
      ];
      return { expect, put: [{ path: paths.signature, content }] };
    }
    if (at !== plan.to && at !== plan.from) throw movedError(plan, commitIn(ref, plan.ref, target), target);
    if (!config) await target.send(dirname(resolve(repo)), FOLDERS, { immutable: true }, task);
    const others = [...listed].filter(([one]) => !moved.includes(one));
    // What nobody vouches for is not signed: of the other refs, what our records and signed commits say.
    const vouched =
      isKnown || !signing ? [] : await vouchedRefs(others, { repo, target, trust: signing.trust, links }, task);
    const base = await summaryOf(vouched, repo, isKnown ? summary : undefined, target, task);
    const next = await newSummary({ ...plan, refs: moved }, repo, base);
    // Clients with a summary follow it alone, others the ref: either finds every object there. Without the
    // configuration there is no repository for them, so on a new target it comes last and an empty one is never seen.
    const put = [
      { path: paths.ref, content: Buffer.from(`${plan.to}\n`) },
      ...(signer ? [{ path: paths.signature, content: withSignature(undefined, await signer.sign(next, task)) }] : []),
      { path: paths.summary, content: next },
      ...(config ? [] : [{ path: paths.config, content: Buffer.from(CONFIG) }]),
    ];
    const expect = [
      { path: paths.ref, content: ref },
      { path: paths.summary, content: summary },
      { path: paths.epoch, content: epoch },
      ...(signer ? [{ path: paths.signature, content: signature }] : []),
    ];
    return { expect, put };
  };
  await swapWithRetry(prepare, target, task);
}

/** What the log says of refs that are to name a commit. */
export async function refEntries(refs: readonly string[], checksum: string, repo: string): Promise<Buffer[][]> {
  const { parent, timestamp, version } = await readCommit(repo, checksum);
  const commit = {
    commit: checksum,
    timestamp,
    ...(parent !== undefined && { parent }),
    ...(version !== undefined && { version: oneLine(version).slice(0, 200) }),
  };
  return refs.map((ref) => formatEntry({ kind: 'ref', ref, ...commit }));
}

const isVouchedFor = (summary: Uint8Array, signature: Uint8Array | undefined, trust: TargetSigning['trust']) =>
  trust.vouches('repo/summary', summary, signature ? signaturesIn(signature) : []);

/** Returns a summary with some further refs. */
async function summaryOf(
  refs: readonly (readonly [string, string])[],
  repo: string,
  old: Uint8Array | undefined,
  target: Target,
  task: Task,
): Promise<Uint8Array | undefined> {
  let summary = old;
  const read = publishedObjects(repo, target, task);
  for (const [ref, commit] of refs) {
    const object = await read(commit, 'commit');
    if (!object) throw new NightlyError('ostree', `The repository ${repo} no longer has the commit ${commit}.`);
    summary = summaryWith(summary, { refs: [ref], commit: parseCommit(commit, object), size: object.length }, now());
  }
  return summary;
}

const now = (): number => Math.floor(Date.now() / 1000);

async function newSummary(
  { to, refs }: { readonly to: string; readonly refs: readonly string[] },
  repo: string,
  old: Uint8Array | undefined,
): Promise<Uint8Array> {
  const object = await localObjects(repo)(to, 'commit');
  if (!object) throw new NightlyError('ostree', `The repository ${repo} no longer has the commit ${to}.`);
  return summaryWith(old, { refs, commit: parseCommit(to, object), size: object.length }, now());
}

/** Returns the collection a commit is bound to; undefined when it is to none, or not here. */
async function collectionOf(checksum: string, repo: string): Promise<string | undefined> {
  const object = await localObjects(repo)(checksum, 'commit');
  const binding = object && parseCommit(checksum, object).metadata.get('ostree.collection-binding');
  return typeof binding?.value === 'string' ? binding.value : undefined;
}

function prunedError(plan: PublishPlan, target: Target): NightlyError {
  return new NightlyError(
    'target-pruned',
    `Target "${target.name}" was pruned while ${plan.to.slice(0, 12)} was being sent, so some of it may be gone again.`,
    { hint: 'Run "atomic-nightly resume": it looks again what the target lacks.' },
  );
}

function movedError(plan: PublishPlan, at: string | undefined, target: Target): NightlyError {
  return new NightlyError(
    'target-moved',
    `Target "${target.name}" now has ${at ?? 'nothing'} at ${plan.ref}, not ${plan.from ?? 'nothing'}: somebody else published meanwhile.`,
    { hint: 'Run "atomic-nightly nightly" for a new build on top of what is published now.' },
  );
}
