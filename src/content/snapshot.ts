import { NightlyError } from '../base/errors.ts';
import { oneLine } from '../base/one-line.ts';
import type { Hub } from '../koji/hub.ts';
import { lastEventBefore, tagConfig, taggedBuilds, taggedRpms } from '../koji/hub-queries.ts';
import type { HubEvent, TaggedBuild, TaggedRpm } from '../koji/hub-shapes.ts';
import { rpmFileName } from '../koji/koji-files.ts';

/** An RPM of a tag with the signatures that the hub has of it. */
export interface SnapshotRpm extends Omit<TaggedRpm, 'sigkey'> {
  /** `NAME-VERSION-RELEASE.ARCH.rpm` */
  readonly file: string;
  readonly build: TaggedBuild;
  /** Key ids of eight hexadecimal digits. */
  readonly keys: readonly string[];
}

/** What a tag had at one event. */
export interface Snapshot {
  readonly tag: string;
  readonly tagId: number;
  readonly event: HubEvent;
  /** What comes after this event may not have been seen; 0: everything. */
  readonly since: number;
  /** Architectures of the tag, in its order. */
  readonly arches: readonly string[];
  readonly builds: readonly TaggedBuild[];
  /** Each once, by file name. */
  readonly rpms: readonly SnapshotRpm[];
}

/**
 * Seconds that a transaction of the hub may take: it has the number of its event from its beginning, and nobody sees it before
 * its end, when later events have long been seen. Tagging 300 builds at once takes about 55 s.
 */
const LONGEST_TRANSACTION = 900;

/**
 * Reads what a tag had at an event. What the hub says twice must agree: an answer that lost something is never taken for a
 * tag that did (C6).
 * @throws NightlyError `koji`, `koji-unreachable`.
 */
export async function takeSnapshot(hub: Hub, tag: string, event: HubEvent): Promise<Snapshot> {
  const [config, [rpms, tagged], builds, settled] = await hub.together([
    tagConfig(tag, event.id),
    taggedRpms(tag, event.id),
    taggedBuilds(tag, event.id),
    lastEventBefore(event.ts - LONGEST_TRANSACTION),
  ]);
  if (config === null) throw doubtful(tag, event, 'there was no such tag then');
  if (config.name !== tag) throw doubtful(tag, event, `it answers for the tag ${oneLine(config.name)}`);
  const arches = (config.arches ?? '').split(/[\s,]+/).filter(Boolean);
  const odd = arches.find((arch) => !/^[a-z][a-z0-9_]{1,31}$/.test(arch));
  // They become folders (I12).
  if (odd !== undefined) throw doubtful(tag, event, `it has an architecture ${JSON.stringify(odd)}`);
  const [here, there] = [idsOf(tagged), idsOf(builds)];
  if (here !== there)
    throw doubtful(tag, event, `it lists the builds ${here || 'none'} in one answer, ${there || 'none'} in another`);
  return {
    ...{ tag, tagId: config.id, event, since: settled?.id ?? 0, arches, builds },
    rpms: rpmsOf(tag, event, rpms, builds),
  };
}

const idsOf = (builds: readonly TaggedBuild[]): string =>
  [...new Set(builds.map(({ id }) => id))].sort((a, b) => a - b).join(' ');

/** Joins the rows of each RPM: the hub has one for the unsigned header, and one for each signature. */
function rpmsOf(
  tag: string,
  event: HubEvent,
  rows: readonly TaggedRpm[],
  builds: readonly TaggedBuild[],
): SnapshotRpm[] {
  const byId = new Map(builds.map((build) => [build.id, build]));
  const found = new Map<number, SnapshotRpm>();
  const keys = new Map<number, string[]>();
  for (const { sigkey, ...rpm } of rows) {
    const build = byId.get(rpm.build_id);
    if (!build) throw doubtful(tag, event, `it lists an RPM of the build ${rpm.build_id}, which is not in the tag`);
    const of = keys.get(rpm.id) ?? [];
    keys.set(rpm.id, of);
    if (sigkey !== '') of.push(sigkey);
    found.set(rpm.id, { ...rpm, file: rpmFileName(rpm), build, keys: of });
  }
  return [...found.values()].sort((a, b) => (a.file < b.file ? -1 : 1));
}

function doubtful(tag: string, event: HubEvent, why: string): NightlyError {
  return new NightlyError('koji', `What the hub says of ${tag} at event ${event.id} cannot be used: ${why}.`, {
    hint: 'Nothing of the tag was changed. If the tag was removed from koji, exclude it in the content block.',
  });
}
