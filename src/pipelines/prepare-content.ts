import { NightlyError } from '../base/errors.ts';
import { sha256 } from '../base/files.ts';
import type { Task } from '../base/task.ts';
import type { Config, ContentConfig, KojiConfig } from '../config/config.ts';
import type { AssignedTag } from '../content/assign-tags.ts';
import { type ContentPlan, planContent } from '../content/content-plan.ts';
import { type Snapshot, takeSnapshot } from '../content/snapshot.ts';
import { readTagState, type TagState, tagFolder } from '../content/tag-state.ts';
import type { Hub } from '../koji/hub.ts';
import { lastEvent } from '../koji/hub-queries.ts';
import { openSigner } from '../signing/open-signer.ts';
import { readRpmKey } from '../signing/rpm-key.ts';
import type { Signer } from '../signing/signer.ts';

/** What the content of one tag is made with. */
export interface TagContent {
  readonly config: Config;
  readonly koji: KojiConfig;
  readonly content: ContentConfig;
  readonly assigned: AssignedTag;
  readonly hub: Hub;
  /** Whether to send it to the targets. */
  readonly push: boolean;
  /** Whether more may be removed than the limit says. */
  readonly acceptRemovals: boolean;
  /** Seconds since the epoch. */
  readonly now: number;
}

/** Opens the key of a tag. */
export function signerOf({ content, assigned }: Pick<TagContent, 'content' | 'assigned'>): Signer {
  const key = content.keys[assigned.key];
  if (!key) throw new RangeError(`${assigned.tag} was assigned the key ${assigned.key}, which there is not`);
  return openSigner(key);
}

/** Which key signs a tag. */
export interface TagKey {
  /** Fingerprint of the primary key, upper-case hex. */
  readonly fingerprint: string;
  /** Eight hexadecimal digits of the part that signs, lower case: what koji files signatures under. */
  readonly id: string;
}

/** Returns the key of a tag. @throws NightlyError `signing` for one that hosts of the tag's release refuse (C3): nothing is signed then. */
export async function rpmKeyOf(
  { content, assigned: { key: name, release } }: Pick<TagContent, 'content' | 'assigned'>,
  signer: Signer,
  task: Task,
): Promise<TagKey> {
  const place = `content.keys.${name}`;
  const about = { release, subkeys: content.keys[name]?.subkeys, now: new Date(), place };
  const { fingerprint, keyId, faults } = await readRpmKey(await signer.publicKey(task), about);
  if (faults.length === 0) return { fingerprint, id: keyId.slice(-8) };
  throw new NightlyError('signing', `${place} cannot sign for release ${release}: ${faults.join(' ')}`, {
    hint: 'Name another key for these tags: "key" of their rule.',
  });
}

/** What a sync starts from: plain JSON. */
export interface PreparedContent {
  readonly key: TagKey;
  readonly before: TagState | undefined;
  readonly snapshot: Snapshot;
  readonly plan: ContentPlan;
  /** Digest of what else the repositories depend on. */
  readonly settings: string;
}

/** Returns the digest of what the repositories of a tag depend on besides its contents. */
export const settingsOf = (assigned: AssignedTag, key: TagKey): string => sha256(JSON.stringify([assigned, key]));

/** Reads the tag and plans what to do about it, without changing anything: all that a dry run does. */
export async function prepareContent(of: TagContent, signer: Signer, task: Task): Promise<PreparedContent> {
  const { config, content, assigned, hub, acceptRemovals } = of;
  await signer.check(task);
  const key = await rpmKeyOf(of, signer, task);
  const before = await readTagState(tagFolder(config.work, assigned.tag));
  const snapshot = await takeSnapshot(hub, assigned.tag, await hub.call(lastEvent()));
  const { removalLimit } = content;
  const plan = planContent(snapshot, {
    ...{ assigned, key: key.id, published: before?.packages ?? [], removalLimit, acceptRemovals },
  });
  task.say(
    `event ${plan.event}: ${plan.add.length} to add, ${plan.remove.length} to remove, ${plan.sign.length} to sign`,
  );
  for (const { file, why } of plan.blocked) task.say(`blocked: ${file}: ${why}`);
  return { key, before, snapshot, plan, settings: settingsOf(assigned, key) };
}
