import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { ByteReader } from '../../base/byte-reader.ts';
import { NightlyError } from '../../base/errors.ts';
import { formatBytes } from '../../base/format.ts';
import type { Task } from '../../base/task.ts';
import type { PusherConfig } from '../../config/receive.ts';
import { generateDelta, indexDeltas } from '../../programs/ostree.ts';
import { jointSigner, openSigner } from '../../signing/open-signer.ts';
import { readVerifyKeys } from '../../signing/verify-keys.ts';
import { openTarget } from '../../targets/open-target.ts';
import type { Target } from '../../targets/target.ts';
import { refuseAlias } from '../alias-refs.ts';
import { refuseWhileDeleting } from '../epoch.ts';
import { commitIn, readHeads } from '../heads.ts';
import { matchesPattern } from '../prune/retention.ts';
import { type Accepted, type Hello, ID_BYTES, MESSAGES, parseId, readMessage } from '../push/push-protocol.ts';
import { signCommit } from '../sign-commit.ts';
import { summaryRefs } from '../summary.ts';
import { admit } from './admit.ts';
import { type CheckedRef, checkCommit } from './check-commit.ts';
import { askHook } from './hook.ts';
import { readBook } from './push-book.ts';
import { openStaging } from './staging.ts';
import { takeObjects } from './take-objects.ts';

/** The far end of a push. */
export interface Pusher {
  readonly reader: ByteReader;
  /** Sends a message. */
  tell(message: object): void;
  /** Sends bytes that a message announced. */
  send(bytes: Uint8Array): void;
}

/** What is known of a push by its end, whatever became of it. */
export interface Progress {
  hello?: Hello;
  refs: readonly { readonly ref: string; readonly old?: string; readonly new: string }[];
  bytes: number;
}

/**
 * Takes a push. Everything arrives in a staging area, is checked there, and only then becomes part of the repository; of a push
 * that is refused nothing stays.
 * @param progress is kept up to date for the log
 * @throws NightlyError with the reason of a refusal, EndedEarly when the pusher went away.
 */
export async function receivePush(
  config: PusherConfig,
  { reader, tell, send }: Pusher,
  progress: Progress,
  task: Task,
): Promise<Accepted> {
  const hello = await readMessage(reader, MESSAGES.hello);
  progress.hello = hello;
  progress.refs = hello.refs.map(({ ref, commit }) => ({ ref, new: commit }));
  requireAllowed(hello, config);
  const root = rootOf(hello, config);
  const target = openTarget({ type: 'directory', name: 'repository', path: root, url: config.url ?? '' });
  await target.check(task);
  const state = await readState(hello, root, target, task);
  tell({ push: 1, refs: state });
  progress.refs = hello.refs.map(({ ref, commit }, index) => ({ ref, ...old(state[index]?.at), new: commit }));
  if (hello.dry) return { refs: [] };
  const keys = config.verifyKeys.length === 0 ? undefined : await readVerifyKeys(config.verifyKeys);

  const announced = await announcement(root, { reader, tell, send });
  await requireQuota(announced.bytes, root, config);
  const staging = await openStaging(root);
  try {
    const taken = await takeObjects(reader, announced, staging.repo, task);
    await readMessage(reader, MESSAGES.end);
    progress.bytes = announced.bytes;
    const places = { staging: staging.repo, repo: join(root, 'repo') };
    const refs: CheckedRef[] = [];
    for (const [index, { ref, commit, tag }] of hello.refs.entries()) {
      const { at, base } = state[index] ?? {};
      const rules = { forceOlder: hello.older, keys };
      refs.push(await checkCommit({ ref, commit, isTag: tag }, { at, base }, places, rules, task));
    }
    refuseStrangers(taken, refs);
    if (config.hook) {
      const words = await askHook({ command: config.hook, name: config.name, repo: staging.repo, refs }, task);
      if (words !== '') tell({ say: words });
    }
    const signer = config.sign && jointSigner(config.sign.map(openSigner));
    if (signer)
      for (const commit of new Set(refs.map((one) => one.commit))) await signCommit(staging.repo, commit, signer, task);
    const { keep } = hello;
    const more = { ...(signer && { signer }), ...(keep === undefined ? {} : { pruneTo: keep }) };
    await admit(
      { name: config.name, root, target, staging: staging.repo, refs, bytes: announced.bytes, ...more },
      task,
    );
    if (hello.deltas) await makeDeltas(refs, places.repo, task);
    return {
      refs: refs.map(({ ref, from, commit }) => ({ ref, ...(from === undefined ? {} : { from }), to: commit })),
      ...(config.url === undefined ? {} : { url: config.url }),
    };
  } finally {
    await staging.remove();
  }
}

const old = (commit: string | undefined) => (commit === undefined ? {} : { old: commit });

function requireAllowed({ refs, older, deltas, keep }: Hello, { name, refs: patterns, allow }: PusherConfig): void {
  const bad = refs.find(({ ref }) => !patterns.some((pattern) => matchesPattern(pattern, ref)));
  if (bad) {
    throw new NightlyError('target-permission', `${name} may not push ${bad.ref}.`, {
      hint: `${name} may push ${patterns.join(', ')}; the operator of the far side can add to that.`,
    });
  }
  const twice = refs.find(({ ref }, index) => refs.findIndex((other) => other.ref === ref) !== index);
  if (twice)
    throw new NightlyError('unsupported', `${twice.ref} is to name two commits.`, { hint: 'Name each ref once.' });
  for (const [asked, what] of [
    [older, 'older'],
    [deltas, 'deltas'],
    [keep !== undefined, 'prune'],
  ] as const) {
    if (!asked || allow.includes(what)) continue;
    throw new NightlyError('target-permission', `${name} may not ask for "${what}".`, {
      hint: `Push without it, or have the operator add it to "allow" of ${name}.`,
    });
  }
}

function rootOf({ root }: Hello, { name, root: roots }: PusherConfig): string {
  const names = Object.keys(roots);
  const [first] = names;
  const wanted = root === '' && names.length === 1 && first !== undefined ? first : root;
  const path = Object.hasOwn(roots, wanted) ? roots[wanted] : undefined;
  if (path !== undefined) return path;
  const known = names.filter((one) => one !== '');
  throw new NightlyError('target-permission', `${name} has no repository ${JSON.stringify(root)} here.`, {
    hint:
      known.length === 0
        ? 'Leave the path out of the address.'
        : `The path of the address is one of ${known.join(', ')}.`,
  });
}

/** What each ref names, and a published commit to compare the new one with, which is whole as long as it is named (I1). */
async function readState(hello: Hello, root: string, target: Target, task: Task) {
  const state: { readonly at?: string; readonly base?: string }[] = [];
  for (const { ref, commit, parent } of hello.refs) {
    const heads = await readHeads(target, ref, task);
    refuseAlias(ref, heads.links, target);
    refuseWhileDeleting(heads.epoch, target);
    const at = commitIn(heads.ref, ref, target);
    const listed = new Set(heads.summary ? summaryRefs(heads.summary).values() : []);
    const base = [commit, at, parent].find((one) => one !== undefined && (one === at || listed.has(one)));
    const isWhole = base !== undefined && !existsSync(join(root, 'repo/state', `${base}.commitpartial`));
    state.push({ ...(at === undefined ? {} : { at }), ...(isWhole ? { base } : {}) });
  }
  return state;
}

/** Returns what the push is about to send, after saying what of it is there if it asks. */
async function announcement(root: string, { reader, tell, send }: Pusher): Promise<{ objects: number; bytes: number }> {
  const first = await readMessage(reader, MESSAGES.fromPusher);
  if ('objects' in first) return first;
  const bits = Buffer.alloc(Math.ceil(first.ask / 8));
  for (let index = 0; index < first.ask; index += 1) {
    const { path } = parseId(await reader.bytes(ID_BYTES));
    if (existsSync(join(root, 'repo', path))) bits[index >> 3] = (bits[index >> 3] ?? 0) | (1 << (index & 7));
  }
  tell({ have: first.ask });
  send(bits);
  const next = await readMessage(reader, MESSAGES.fromPusher);
  if ('objects' in next) return next;
  throw new NightlyError('unsupported', 'The push asks twice what is there.', {
    hint: 'Use the same version of atomic-nightly on both sides.',
  });
}

async function requireQuota(bytes: number, root: string, { name, quota }: PusherConfig): Promise<void> {
  const { pushBytes, allBytes } = quota;
  if (pushBytes !== undefined && bytes > pushBytes)
    throw overQuota(`${name} may push ${formatBytes(pushBytes)} at once`, bytes);
  if (allBytes === undefined) return;
  const before = (await readBook(root)).bytes[name] ?? 0;
  if (before + bytes <= allBytes) return;
  throw overQuota(`${name} may push ${formatBytes(allBytes)} in all, of which ${formatBytes(before)} are used`, bytes);
}

function overQuota(what: string, bytes: number): NightlyError {
  return new NightlyError('target-permission', `${what}; this push has ${formatBytes(bytes)}.`, {
    hint: 'Push less, or have the operator raise the quota.',
  });
}

/** Whatever no commit of the push needs would stay for ever. */
function refuseStrangers(taken: ReadonlySet<string>, refs: readonly CheckedRef[]): void {
  const known = new Set(refs.flatMap(({ fresh }) => fresh));
  const commits = new Set(refs.map(({ commit }) => commit));
  for (const path of taken) {
    if (known.has(path)) continue;
    const [, first = '', rest = ''] = /^objects\/(..)\/(\w+)\.commit(?:meta)?$/.exec(path) ?? [];
    if (commits.has(first + rest)) continue;
    throw new NightlyError('ostree', `${path} was sent, and none of the commits needs it.`, {
      hint: 'Use the same version of atomic-nightly on both sides.',
    });
  }
}

async function makeDeltas(refs: readonly CheckedRef[], repo: string, task: Task): Promise<void> {
  for (const { from, commit } of refs) {
    if (from === commit) continue;
    await generateDelta({ repo, to: commit, ...(from === undefined ? {} : { from }) }, task);
    await indexDeltas(repo, commit, task);
  }
}
