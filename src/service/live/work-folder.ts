import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { ifThere, readTextIfExists } from '../../base/files.ts';
import { approvalsOrNone } from '../../build/approvals.ts';
import { parseBuildId } from '../../build/build-id.ts';
import type { BuildMeta } from '../../build/build-record.ts';
import { type BuildPaths, buildPaths, type StoredBuild } from '../../build/build-store.ts';
import { type JournalEntry, readJournal } from '../../build/journal.ts';
import { type IndexedMeta, indexed, indexInBatches } from './build-index.ts';
import { createFileCache, type FileCache } from './file-cache.ts';

/** A build as the index has it. */
export interface IndexedBuild {
  readonly paths: BuildPaths;
  readonly meta: IndexedMeta;
}

/** A work folder as pages read it: every run's files, whoever started it. */
export interface Work {
  readonly folder: string;
  /** Newest first, with what lists need of each. What changed in an old one shows after some seconds. */
  builds(): Promise<readonly IndexedBuild[]>;
  /** Changes whenever a record did. */
  version(): number;
  /** One build with its whole record, without looking at the others; of an id, the first architecture unless one is named. */
  build(id: string, arch?: string): Promise<StoredBuild | undefined>;
  /** None when there is no such file. */
  journal(path: string): Promise<readonly JournalEntry[]>;
}

/** Bytes of the files of which all is remembered: a first page shows some dozens of builds. */
const WHOLE_BYTES = 16 * 1024 * 1024;

/**
 * Reads a work folder, again only what changed since. Of thousands of builds only what lists need stays in memory.
 * @param waitMs how long to wait for the oldest builds; lists go on without those that were not read by then
 */
export function openWork(folder: string, { waitMs = Number.POSITIVE_INFINITY } = {}): Work {
  const top = join(folder, 'builds');
  const names = createFileCache((path) => ifThere(readdir(path)));
  const ids = createFileCache(async (path) => sortedIds((await ifThere(readdir(path))) ?? []));
  const read = async (path: string): Promise<BuildMeta | undefined> => {
    const text = await readTextIfExists(path);
    return text === undefined ? undefined : (JSON.parse(text) as BuildMeta);
  };
  const whole = createFileCache(read, WHOLE_BYTES);
  const brief = createFileCache(async (path) => {
    const meta = await read(path);
    return meta && indexed(meta);
  });
  const approvals = createFileCache(approvalsOrNone);
  const journals = createFileCache(async (path) => (await readJournal(path)).map(withoutOutput), WHOLE_BYTES);

  const buildsOf = async <Meta>(id: string, metas: FileCache<Meta>) => {
    const arches = (await names.get(join(top, id))) ?? [];
    const found = await Promise.all(
      arches.map(async (arch) => {
        const paths = buildPaths(folder, id, arch);
        const meta = await metas.get(paths.meta);
        // Kept in no index; looked at so that a page that shows them learns that there are new ones.
        await approvals.get(paths.approvals);
        return meta && { paths, meta };
      }),
    );
    return found.flatMap((one) => one ?? []);
  };
  const rounds = indexInBatches(
    async () => (await ids.get(top)) ?? NO_IDS,
    (id) => buildsOf(id, brief),
    waitMs,
  );
  return {
    folder,
    builds: async () => (await rounds.all()).flat(),
    version: () => ids.reads + brief.reads + approvals.reads,
    build: async (id, arch) => {
      // Only names that were given out: a path of somebody's own never becomes one of ours.
      if (parseBuildId(id) === undefined) return undefined;
      const found = await buildsOf(id, whole);
      const build = found.find(({ meta }) => arch === undefined || meta['coreos-assembler.basearch'] === arch);
      const given = build && (await approvals.get(build.paths.approvals));
      return given ? { ...build, meta: { ...build.meta, 'atomic-nightly.approvals': given } } : build;
    },
    journal: async (path) => (await journals.get(path)) ?? [],
  };
}

const NO_IDS: readonly string[] = [];

/** Build ids, newest first: each is taken apart once, for a thousand of them compared as text take longer than reading them. */
function sortedIds(names: readonly string[]): string[] {
  return names
    .flatMap((id) => {
      const parsed = parseBuildId(id);
      return parsed ? [{ id, ...parsed }] : [];
    })
    .sort((a, b) => b.day - a.day || b.count - a.count)
    .map(({ id }) => id);
}

/** Step results are for resuming and may be large. */
function withoutOutput(entry: JournalEntry): JournalEntry {
  if (entry.event !== 'done') return entry;
  const { output, ...rest } = entry;
  return rest;
}
