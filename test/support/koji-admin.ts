import { createHash } from 'node:crypto';
import type { Say } from './koji-hub.ts';
import { Fault, type KojiState, nvrOf, type StateBuild, type StateRpm } from './koji-state.ts';

/** What users and administrators of a hub do: changes of the state, made within a transaction. */

export function addTag(state: KojiState, name: string, arches: string | null = 'x86_64'): number {
  const tagId = state.tags.size + 1;
  state.tags.set(tagId, name);
  state.tagConfigs.push({ tagId, arches, locked: false, createEvent: state.event(), revokeEvent: null });
  return tagId;
}

export function setArches(state: KojiState, tag: string, arches: string): void {
  const tagId = state.tagId(tag);
  const event = state.event();
  state.tagConfigs = state.revoke(state.tagConfigs, (one) => one.tagId === tagId, { revokeEvent: event });
  state.tagConfigs.push({ tagId, arches, locked: false, createEvent: event, revokeEvent: null });
}

/** Puts a build into a tag, and says so. @throws Fault 1003 when it is there. */
export async function tagBuild(state: KojiState, tag: string, nvr: string, say: Say, user = 'alice'): Promise<void> {
  const tagId = state.tagId(tag);
  const { id: buildId } = state.build(nvr);
  if (state.listings.some((one) => one.tagId === tagId && one.buildId === buildId && one.revokeEvent === null)) {
    throw new Fault(1003, `build ${nvr} already tagged (${tag})`);
  }
  const createEvent = state.event();
  state.listings.push({ tagId, buildId, createEvent, revokeEvent: null, creator: user, revoker: null });
  await say('postTag', tag);
}

export async function untagBuild(state: KojiState, tag: string, nvr: string, say: Say, user = 'alice'): Promise<void> {
  const tagId = state.tagId(tag);
  const { id: buildId } = state.build(nvr);
  const revoked = { revokeEvent: state.event(), revoker: user };
  state.listings = state.revoke(state.listings, (one) => one.tagId === tagId && one.buildId === buildId, revoked);
  await say('postUntag', tag);
}

/** Blocks a package in a tag, which tells nobody. */
export function blockPackage(state: KojiState, tag: string, name: string): void {
  state.blocks.push({ tagId: state.tagId(tag), name, createEvent: state.event(), revokeEvent: null });
}

type Build = Pick<StateBuild, 'name' | 'version' | 'release'> & Partial<StateBuild>;
type Rpm = Pick<StateRpm, 'name' | 'arch'> & Partial<StateRpm>;

/** Adds a build with its RPMs, which have its version and release. Without a file an RPM is one in name alone. */
export function addBuild(state: KojiState, build: Build, rpms: readonly Rpm[]): StateBuild {
  const id = state.builds.size + 1;
  const added = { epoch: null, volume: 'DEFAULT', owner: 'alice', ...build, id };
  state.builds.set(id, added);
  for (const rpm of rpms) {
    const rpmId = state.rpms.size + 1;
    const { version, release } = build;
    const payloadhash = createHash('md5')
      .update(`${nvrOf(build)} ${rpm.name} ${rpm.arch}`)
      .digest('hex');
    const plain = { version, release, epoch: null, size: 1000, payloadhash, buildtime: 1_767_225_600 };
    state.rpms.set(rpmId, { ...plain, header: Buffer.from(payloadhash), ...rpm, id: rpmId, buildId: id });
  }
  return added;
}
