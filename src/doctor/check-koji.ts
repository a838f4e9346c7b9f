import { NightlyError } from '../base/errors.ts';
import { formatCount } from '../base/format.ts';
import type { Task } from '../base/task.ts';
import type { Config, ContentConfig, KojiConfig } from '../config/config.ts';
import type { Assignment } from '../content/assign-tags.ts';
import { tryBus } from '../content/bus/open-bus.ts';
import { findTags } from '../content/find-tags.ts';
import { openKoji } from '../content/open-koji.ts';
import type { Hub } from '../koji/hub.ts';
import { lastEvent, loggedInUser, permissions } from '../koji/hub-queries.ts';
import { rpmKeyOf } from '../pipelines/prepare-content.ts';
import { openSigner } from '../signing/open-signer.ts';
import type { CheckResult } from './doctor-check.ts';

/** Doctor is asked whether the hub is there now, and waits for no maintenance. */
const IMPATIENT = { retryMs: 1000, tries: 2, offlineMs: 0, mostOfflineMs: 0 };

/** A broker answers at once, or is slow for nobody's good. */
const BUS_LIMIT_MS = 60_000;

/** Whether the hub and its bus answer, who logs in there may sign, every tag that the rules fit has one place, and its key signs for its release. */
export async function checkKoji({ koji, content }: Config, task: Task): Promise<CheckResult[]> {
  if (koji === undefined) return [];
  return [...(await checkHub({ koji, content }, task)), ...(await checkBus(content, task))];
}

async function checkBus(content: ContentConfig | undefined, task: Task): Promise<CheckResult[]> {
  const messages = content?.messages;
  if (messages === undefined) return [];
  const signal = AbortSignal.any([task.signal, AbortSignal.timeout(BUS_LIMIT_MS)]);
  return [await checking('koji bus', task, async () => tryBus(messages, signal).then(() => messages.broker))];
}

async function checkHub(
  { koji, content }: { readonly koji: KojiConfig; readonly content: ContentConfig | undefined },
  task: Task,
): Promise<CheckResult[]> {
  const hub = openKoji(koji, task, IMPATIENT);
  try {
    const there = await checking(
      'koji hub',
      task,
      async () => `${koji.server}, event ${(await hub.call(lastEvent())).id}`,
    );
    if (there.state !== 'ok') return [there];
    const mayLogIn = koji.certFile !== undefined || koji.keytab !== undefined;
    const writes = mayLogIn || content?.rules.some(({ level }) => level === 'release');
    return [
      there,
      ...(writes ? [await checking('koji login', task, () => maySign(hub))] : []),
      ...(content ? await checkTags(hub, content, task) : []),
    ];
  } finally {
    await hub.close();
  }
}

async function maySign(hub: Hub): Promise<string> {
  const user = await hub.call(loggedInUser());
  const may = await hub.call(permissions());
  if (may.includes('sign') || may.includes('admin')) return `${user?.name}, who may sign`;
  throw new NightlyError('koji', `${user?.name} lacks the permission "sign".`, {
    hint: `Have an administrator of the hub run "koji grant-permission sign ${user?.name}".`,
  });
}

/** Whether each tag has one place, and its key signs for the hosts that read it. */
async function checkTags(hub: Hub, content: ContentConfig, task: Task): Promise<CheckResult[]> {
  const found: Assignment[] = [];
  const tags = await checking('koji tags', task, async () => {
    found.push(await findTags(hub, content));
    return tagsOf(found[0] ?? { assigned: [], faults: [] });
  });
  const uses = new Map((found[0]?.assigned ?? []).map((one) => [`${one.key} ${one.release}`, one]));
  const keys: CheckResult[] = [];
  for (const assigned of uses.values()) {
    const { key, release } = assigned;
    const config = content.keys[key];
    if (!config) continue;
    const look = async () => {
      const signer = openSigner(config);
      await signer.check(task);
      const { fingerprint, id } = await rpmKeyOf({ content, assigned }, signer, task);
      return `${fingerprint}, in koji ${id}`;
    };
    keys.push(await checking(`content key ${key}, release ${release}`, task, look));
  }
  return [tags, ...keys];
}

/** How many faults are told. */
const NAMED = 5;

function tagsOf({ assigned, faults }: Assignment): string {
  if (faults.length === 0) return `${formatCount(assigned.length, 'tag')} to publish`;
  const some = faults.slice(0, NAMED).map(({ tag, why }) => `${tag}: ${why}`);
  const more = faults.length > NAMED ? `, and ${faults.length - NAMED} more` : '';
  throw new NightlyError('config', `${some.join('; ')}${more}.`, {
    hint: 'Correct the rules of the content block, or exclude the tags.',
  });
}

async function checking(name: string, task: Task, look: () => Promise<string>): Promise<CheckResult> {
  try {
    return { name, state: 'ok', detail: await look() };
  } catch (error) {
    task.signal.throwIfAborted();
    if (!(error instanceof NightlyError)) throw error;
    return { name, state: 'missing', detail: error.hint ? `${error.message} ${error.hint}` : error.message };
  }
}
