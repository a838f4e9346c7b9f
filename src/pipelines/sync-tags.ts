import { join } from 'node:path';
import { asNightlyError } from '../base/as-nightly-error.ts';
import { NightlyError } from '../base/errors.ts';
import { makeFolder } from '../base/files.ts';
import { inParallel } from '../base/parallel.ts';
import type { Task } from '../base/task.ts';
import type { Listener } from '../build/events.ts';
import { FORGETFUL } from '../build/journal.ts';
import type { AssignedTag } from '../content/assign-tags.ts';
import { forgetTagFailure, noteTagFailure, readTagFailure } from '../content/tag-failure.ts';
import { poolFolder, processedTags, readTagState, type TagState, tagFolder } from '../content/tag-state.ts';
import type { Hub } from '../koji/hub.ts';
import { tagsChangedSince } from '../koji/hub-queries.ts';
import { tryFlock } from '../programs/flock.ts';
import { createRunner } from '../run/runner.ts';
import { openSigner } from '../signing/open-signer.ts';
import { prunePool } from '../steps/content/package-pool.ts';
import { type ContentOutcome, syncContent } from './content.ts';
import { rpmKeyOf, settingsOf, type TagContent } from './prepare-content.ts';

/** How a tag of several ended. */
export type TagResult = { readonly tag: string } & (
  | { readonly outcome: ContentOutcome }
  | { readonly error: NightlyError }
);

/** What all tags of a sync have in common. */
export type SyncOptions = Omit<TagContent, 'assigned'> & {
  /** Hears of the steps of all tags; each step's name begins with its tag. */
  readonly listen: Listener;
};

/** Tags processed at the same time: most of it is waiting for the hub and for targets. */
const AT_A_TIME = 4;

/**
 * Makes the repositories of tags equal to them, side by side: one that fails delays no other (C9). Tags that the hub says
 * did not change are told by one request.
 * @throws NightlyError `interrupted`; what the hub throws when it cannot be asked what changed.
 */
export async function syncTags(tags: readonly AssignedTag[], options: SyncOptions, task: Task): Promise<TagResult[]> {
  const unchanged = await unchangedTags(tags, options, task);
  const results = new Map<string, TagResult>();
  for (const [tag, { event, blocked, left = [] }] of unchanged) {
    results.set(tag, { tag, outcome: { tag, state: 'unchanged', event, added: 0, removed: 0, blocked, left } });
  }
  const due = tags.filter(({ tag }) => !unchanged.has(tag));
  await inParallel(due, { atATime: AT_A_TIME, signal: task.signal }, async (assigned) => {
    const { tag } = assigned;
    try {
      results.set(tag, { tag, outcome: await syncLocked(assigned, options, task.signal) });
    } catch (caught) {
      task.signal.throwIfAborted();
      const error = asNightlyError(caught);
      if (error.code === 'interrupted') throw error;
      results.set(tag, { tag, error });
    }
  });
  // Only what changes a tag leaves packages that nothing needs, and a look at all of them costs more than all that is unchanged.
  if (due.length > 0) await pruneUnneeded(options);
  return tags.flatMap(({ tag }) => results.get(tag) ?? []);
}

/** Removes packages that no tag has had for a while. Nothing is removed while the record of a tag cannot be read (I8). */
async function pruneUnneeded({ config, content, now }: SyncOptions): Promise<void> {
  const needed = new Set<string>();
  for (const tag of await processedTags(config.work)) {
    const state = await readTagState(tagFolder(config.work, tag)).catch(() => 'damaged' as const);
    if (state === 'damaged') return;
    for (const { sha256 } of state?.packages ?? []) needed.add(sha256);
  }
  await prunePool(poolFolder(config.work), needed, (now - content.keepSeconds) * 1000);
}

/** One run a tag; the kernel frees the lock when its holder dies. */
async function syncLocked(assigned: AssignedTag, options: SyncOptions, signal: AbortSignal): Promise<ContentOutcome> {
  const { tag } = assigned;
  const { config, now } = options;
  const folder = tagFolder(config.work, tag);
  await makeFolder(folder);
  const free = await tryFlock(join(folder, 'lock'));
  if (!free) {
    throw new NightlyError('locked', `${tag} is processed by another run.`, { hint: 'Wait for it to end.' });
  }
  try {
    const listen: Listener = (event) =>
      options.listen('step' in event ? { ...event, step: `${tag} ${event.step}` } : event);
    const runner = createRunner({ journal: FORGETFUL, logDir: join(folder, 'logs'), signal, listen });
    const outcome = await syncContent({ ...options, assigned }, runner);
    await forgetTagFailure(folder);
    return outcome;
  } catch (error) {
    // The cause comes first, whatever becomes of this note: a full disk, say.
    if (!signal.aborted) await noteTagFailure(folder, asNightlyError(error), now).catch(() => undefined);
    throw error;
  } finally {
    await free();
  }
}

/** Seconds after which files that wait to be removed from targets, and folders that a tag has left, are looked at again. */
const LOOK_EVERY = 6 * 3600;

/** Returns the tags whose repositories are what they would be made now, with what is known of them. */
async function unchangedTags(
  tags: readonly AssignedTag[],
  { config, content, hub, push, now }: SyncOptions,
  task: Task,
): Promise<Map<string, TagState>> {
  const keys = new Map<string, ReturnType<typeof rpmKeyOf>>();
  const candidates: TagState[] = [];
  for (const assigned of tags) {
    const state = await readTagState(tagFolder(config.work, assigned.tag)).catch(() => undefined);
    const signing = content.keys[assigned.key];
    if (!state || !signing || (push && !state.pushed)) continue;
    if (push && (state.waiting > 0 || state.left) && now - state.looked >= LOOK_EVERY) continue;
    if (await readTagFailure(tagFolder(config.work, assigned.tag)).catch(() => true)) continue;
    const name = `${assigned.key} ${assigned.release}`;
    const key = keys.get(name) ?? rpmKeyOf({ content, assigned }, openSigner(signing), task);
    keys.set(name, key);
    // What is wrong with a key is told by the run of its tags.
    const settings = await key.then((found) => settingsOf(assigned, found)).catch(() => undefined);
    if (settings === state.settings) candidates.push(state);
  }
  return didNotChange(hub, candidates);
}

async function didNotChange(hub: Hub, states: readonly TagState[]): Promise<Map<string, TagState>> {
  const answers = await hub.callAll(states.map(({ since, tagId }) => tagsChangedSince(since, [tagId])));
  return new Map(
    states.flatMap((state, index) => {
      const answer = answers[index];
      return answer?.kind === 'value' && !answer.value ? [[state.tag, state] as const] : [];
    }),
  );
}
