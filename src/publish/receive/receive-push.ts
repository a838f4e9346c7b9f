import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { NightlyError } from '../../base/errors.ts';
import type { Task } from '../../base/task.ts';
import type { PusherConfig } from '../../config/receive.ts';
import { openDirectory } from '../../targets/directory/open-directory.ts';
import type { Target } from '../../targets/target.ts';
import { refuseAlias } from '../alias-refs.ts';
import { refuseWhileDeleting } from '../epoch.ts';
import { commitIn, readHeads } from '../heads.ts';
import { matchesPattern } from '../prune/retention.ts';
import { type Accepted, type Hello, MESSAGES, readMessage } from '../push/push-protocol.ts';
import { summaryRefs } from '../summary.ts';
import type { Progress, Pusher } from './pusher.ts';

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
  const target = openDirectory({ type: 'directory', name: 'repository', path: root, url: config.url ?? '' });
  await target.check(task);
  const state = await readState(hello, root, target, task);
  tell({ push: 1, refs: state });
  progress.refs = hello.refs.map(({ ref, commit }, index) => ({ ref, ...old(state[index]?.at), new: commit }));
  if (hello.dry) return { refs: [] };
  // All that is needed to look at a push is loaded while its first objects are on their way.
  const { takePush } = await import('./take-push.ts');
  return takePush({ config, hello, state, root, target }, { reader, tell, send }, progress, task);
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
