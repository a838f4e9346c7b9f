import { NightlyError } from '../../base/errors.ts';
import type { Task } from '../../base/task.ts';
import type { BuildMeta } from '../../build/build-record.ts';
import type { RecordTrust } from '../../published/record-trust.ts';
import {
  packSearchIndex,
  readSearchIndex,
  type SearchedBuild,
  type SearchedBuilds,
} from '../../published/search-index.ts';
import { changesText, releasedText } from '../../reports/pages/build-row.ts';
import { foundChanges } from '../../rpm/packed-changes.ts';
import type { Target } from '../../targets/target.ts';
import { type NamedBuild, readPublishedRecords } from './published-records.ts';

/** Records read at once. */
const AT_ONCE = 100;

interface IndexRequest {
  readonly target: Target;
  readonly trust: RecordTrust | undefined;
  /** All builds that the target names, newest first. */
  readonly named: readonly NamedBuild[];
  /** Which of them were looked at just now, and what was read. */
  readonly looked: readonly NamedBuild[];
  readonly metas: readonly BuildMeta[];
  /** The index as it lies there. */
  readonly there: Uint8Array | undefined;
}

/**
 * Makes the index of all builds that published pages search: what was read just now, what the index had before, and the records of
 * builds that it lacks. An index that is damaged is made again from all records.
 */
export async function searchIndex(
  { target, trust, named, looked, metas, there }: IndexRequest,
  task: Task,
): Promise<Buffer> {
  const before = there ? knownBefore(there, target, task) : NOTHING;
  const fresh = new Set(looked.map(keyOf));
  // What was looked at just now counts as it was found: a record that is not believed any more is shown nowhere.
  const older = before.builds.filter((build) => !fresh.has(keyOf(build)));
  const known = new Map([...older, ...metas.map(searched)].map((build) => [keyOf(build), build]));
  const settled = new Set([...fresh, ...known.keys(), ...before.without]);
  const lacking = named.filter((build) => !settled.has(keyOf(build)));
  for (let at = 0; at < lacking.length; at += AT_ONCE) {
    if (at > 0) task.say(`search index: ${at} of ${lacking.length} records read`);
    const some = await readPublishedRecords(lacking.slice(at, at + AT_ONCE), { target, trust }, task);
    for (const build of some.map(searched)) known.set(keyOf(build), build);
  }
  return packSearchIndex({
    builds: named.flatMap((build) => known.get(keyOf(build)) ?? []),
    without: named.map(keyOf).filter((key) => !known.has(key)),
  });
}

const NOTHING: SearchedBuilds = { builds: [], without: [] };

const keyOf = ({ id, arch }: NamedBuild): string => `${id}/${arch}`;

function knownBefore(content: Uint8Array, target: Target, task: Task): SearchedBuilds {
  try {
    return readSearchIndex(content, target);
  } catch (error) {
    if (!(error instanceof NightlyError)) throw error;
    task.say(`${error.message} It is made again from all records.`);
    return NOTHING;
  }
}

/** What is searched of a build, from its record. */
function searched(meta: BuildMeta): SearchedBuild {
  return {
    id: meta.buildid,
    arch: meta.basearch,
    stream: meta.stream,
    state: meta.state,
    begun: meta.ostreeTimestamp,
    released: releasedText(meta),
    summary: changesText(meta),
    changes: meta.pkgdiff ? foundChanges(meta.pkgdiff) : [],
  };
}
