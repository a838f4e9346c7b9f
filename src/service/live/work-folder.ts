import { readdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { setImmediate as yieldToOthers } from 'node:timers/promises';
import { NightlyError } from '../../base/errors.ts';
import { ifThere, isErrno } from '../../base/files.ts';
import { isUnreadable, unreadable } from '../../base/unreadable.ts';
import { approvalsOrNone } from '../../build/approvals.ts';
import { parseBuildId } from '../../build/build-id.ts';
import {
  type BuildPaths,
  buildPaths,
  type DamagedBuild,
  type StoredBuild,
  tryReadMeta,
} from '../../build/build-store.ts';
import { surveyTags, type TagSurvey, tagsFolder } from '../../build/build-tags.ts';
import { type JournalEntry, type JournalSurvey, surveyJournal } from '../../build/journal.ts';
import { isArchitecture } from '../../build/record-values.ts';
import { type IndexedMeta, indexed, indexInBatches } from './build-index.ts';
import { createFileCache, type FileCache } from './file-cache.ts';

/** A build as the index has it. */
export interface IndexedBuild {
  readonly paths: BuildPaths;
  readonly meta: IndexedMeta;
}

/** The builds of one id, those whose record is damaged apart. */
interface Look<Meta> {
  readonly builds: readonly { readonly paths: BuildPaths; readonly meta: Meta }[];
  readonly damaged: readonly DamagedBuild[];
}

/** A work folder as pages read it: every run's files, whoever started it. */
export interface Work {
  readonly folder: string;
  /** Newest first, with what lists need of each. What changed in an old one shows after some seconds. */
  builds(): Promise<readonly IndexedBuild[]>;
  /** Returns the builds whose record cannot be read, so that only the id is known; newest first. */
  damaged(): Promise<readonly DamagedBuild[]>;
  /** Returns both of one look at the folder; as long as nothing changed, the same lists. */
  all(): Promise<{ readonly builds: readonly IndexedBuild[]; readonly damaged: readonly DamagedBuild[] }>;
  /** Names that people gave to builds. */
  tags(): Promise<TagSurvey>;
  /** Changes whenever a record did. */
  version(): number;
  /**
   * One build with its whole record, without looking at the others; of an id, the first architecture unless one is
   * named.
   */
  build(id: string, arch?: string): Promise<StoredBuild | undefined>;
  /** One build whose record is damaged. */
  damagedBuild(id: string, arch?: string): Promise<DamagedBuild | undefined>;
  /** None when there is no such file; without lines that are damaged. */
  journal(path: string): Promise<readonly JournalEntry[]>;
  /** What is wrong with a journal. */
  journalFaults(path: string): Promise<readonly NightlyError[]>;
}

/** Bytes of the files of which all is remembered: a first page shows some dozens of builds. */
const WHOLE_BYTES = 16 * 1024 * 1024;

/**
 * Reads a work folder, again only what changed since. Of thousands of builds only what lists need stays in memory.
 * @param waitMs how long to wait for the oldest builds; lists are shown without those that were not read by then
 */
export function openWork(folder: string, { waitMs = Number.POSITIVE_INFINITY } = {}): Work {
  const top = join(folder, 'builds');
  const names = createFileCache((path) => orNothing(readdir(path)));
  const ids = createFileCache(async (path) => sortedIds((await ifThere(readdir(path))) ?? []));
  const read = (path: string) => {
    const arch = dirname(path);
    return tryReadMeta(buildPaths(folder, basename(dirname(arch)), basename(arch)), basename(arch));
  };
  const whole = createFileCache(read, WHOLE_BYTES);
  const brief = createFileCache(async (path) => {
    const meta = await read(path);
    return meta === undefined || meta instanceof NightlyError ? meta : indexed(meta);
  });
  const approvals = createFileCache(approvalsOrNone);
  // A tag that is moved changes the folder: it is written aside, and renamed.
  const tags = createFileCache(() => surveyTags(folder));
  const journals = createFileCache(async (path) => withoutOutputs(await surveyJournal(path)), WHOLE_BYTES);

  const look = async <Meta extends IndexedMeta>(
    id: string,
    metas: FileCache<Meta | NightlyError>,
    before?: Look<Meta>,
  ): Promise<Look<Meta>> => {
    const arches = await orDamage(join(top, id), () => names.get(join(top, id)));
    if (arches instanceof NightlyError) return { builds: [], damaged: [{ id, error: arches }] };
    const [builds, damaged]: [{ paths: BuildPaths; meta: Meta }[], DamagedBuild[]] = [[], []];
    for (const arch of (arches ?? []).filter(isArchitecture)) {
      const paths = buildPaths(folder, id, arch);
      const meta = await orDamage(paths.meta, () => metas.get(paths.meta));
      // Kept in no index; looked at so that a page that shows them learns that there are new ones.
      await approvals.get(paths.approvals);
      if (meta instanceof NightlyError) damaged.push({ id, arch, error: meta });
      else if (meta) builds.push({ paths, meta });
    }
    return isSame(before, builds, damaged) ? before : { builds, damaged };
  };
  const rounds = indexInBatches(
    async () => (await ids.get(top)) ?? NO_IDS,
    (id, before: Look<IndexedMeta> | undefined) => look(id, brief, before),
    waitMs,
  );
  let [latest, listed]: [readonly Look<IndexedMeta>[], Look<IndexedMeta>] = [[], { builds: [], damaged: [] }];
  const all = async () => {
    const found = await rounds.all();
    if (found !== latest) await yieldToOthers();
    // Somebody else may have listed it meanwhile.
    if (found !== latest) {
      listed = { builds: found.flatMap(({ builds }) => builds), damaged: found.flatMap(({ damaged }) => damaged) };
      latest = found;
    }
    return listed;
  };
  const lookedAt = async (path: string): Promise<JournalSurvey> => {
    const found = await orDamage(path, () => journals.get(path));
    return found instanceof NightlyError ? { entries: [], faults: [found] } : (found ?? { entries: [], faults: [] });
  };
  return {
    folder,
    builds: async () => (await all()).builds,
    damaged: async () => (await all()).damaged,
    all,
    tags: async () => (await tags.get(tagsFolder(folder))) ?? NO_TAGS,
    version: () => ids.reads + brief.reads + approvals.reads + tags.reads,
    build: async (id, arch) => {
      // Only names that were given out: a path of somebody's own never becomes one of ours.
      if (parseBuildId(id) === undefined) return undefined;
      const { builds } = await look(id, whole);
      const build = builds.find(({ meta }) => arch === undefined || meta.basearch === arch);
      const given = build && (await approvals.get(build.paths.approvals));
      return given ? { ...build, meta: { ...build.meta, approvals: given } } : build;
    },
    damagedBuild: async (id, arch) => {
      if (parseBuildId(id) === undefined) return undefined;
      const { damaged } = await look(id, whole);
      return damaged.find((one) => arch === undefined || one.arch === undefined || one.arch === arch);
    },
    journal: async (path) => (await lookedAt(path)).entries,
    journalFaults: async (path) => (await lookedAt(path)).faults,
  };
}

/** Whether an earlier look found the same: records that did not change are the very objects that were kept. */
function isSame<Meta>(
  before: Look<Meta> | undefined,
  builds: Look<Meta>['builds'],
  damaged: Look<Meta>['damaged'],
): before is Look<Meta> {
  if (before?.builds.length !== builds.length || before.damaged.length !== damaged.length) return false;
  return (
    builds.every(({ meta }, index) => meta === before.builds[index]?.meta) &&
    damaged.every(({ error }, index) => error === before.damaged[index]?.error)
  );
}

const NO_IDS: readonly string[] = [];
const NO_TAGS: TagSurvey = { tags: [], damaged: [] };

/**
 * Build ids, newest first: each is taken apart once, for a thousand of them compared as text take longer than reading
 * them.
 */
function sortedIds(names: readonly string[]): string[] {
  return names
    .flatMap((id) => {
      const parsed = parseBuildId(id);
      return parsed ? [{ id, ...parsed }] : [];
    })
    .sort((a, b) => b.day - a.day || b.count - a.count)
    .map(({ id }) => id);
}

/** Undefined for a folder that has gone meanwhile; what is not a folder is a fault. */
async function orNothing<Result>(reading: Promise<Result>): Promise<Result | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}

/** What is wrong with one file ends nothing but the reading of that one (I15). */
async function orDamage<Result>(path: string, read: () => Promise<Result>): Promise<Result | NightlyError> {
  try {
    return await read();
  } catch (error) {
    if (isUnreadable(error)) return unreadable(path, error);
    throw error;
  }
}

/** Step results are for resuming and may be large. */
function withoutOutputs({ entries, faults }: JournalSurvey): JournalSurvey {
  return { entries: entries.map(withoutOutput), faults };
}

function withoutOutput(entry: JournalEntry): JournalEntry {
  if (entry.event !== 'done') return entry;
  const { output, ...rest } = entry;
  return rest;
}
