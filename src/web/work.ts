import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { parseBuildId } from '../run/build-id.ts';
import { buildPaths, type StoredBuild } from '../run/build-store.ts';
import { type JournalEntry, readJournal } from '../run/journal.ts';
import type { BuildMeta } from '../run/meta.ts';
import { ifThere, readTextIfExists } from '../tools/files.ts';
import { createFileCache } from './file-cache.ts';

/** A work folder as pages read it: every run's files, whoever started it. */
export interface Work {
  readonly folder: string;
  /** Newest first. What changed in an old one shows after some seconds. */
  builds(): Promise<readonly StoredBuild[]>;
  /** Changes whenever a record did. */
  version(): number;
  /** One build, without looking at the others; of an id, the first architecture unless one is named. */
  build(id: string, arch?: string): Promise<StoredBuild | undefined>;
  /** None when there is no such file. */
  journal(path: string): Promise<readonly JournalEntry[]>;
}

/** So many of the newest builds are looked at every time; the others' records seldom change, and a look at a thousand takes its time. */
const LIVELY = 60;
const OTHERS_MS = 10_000;

/** Reads a work folder, again only what changed since. */
export function openWork(folder: string): Work {
  const top = join(folder, 'builds');
  const names = createFileCache((path) => ifThere(readdir(path)));
  const ids = createFileCache(async (path) => sortedIds((await ifThere(readdir(path))) ?? []));
  const metas = createFileCache(async (path) => {
    const text = await readTextIfExists(path);
    return text === undefined ? undefined : (JSON.parse(text) as BuildMeta);
  });
  const journals = createFileCache(async (path) => (await readJournal(path)).map(withoutOutput));

  const buildsOf = async (id: string): Promise<StoredBuild[]> => {
    const arches = (await names.get(join(top, id))) ?? [];
    const found = await Promise.all(
      arches.map(async (arch) => {
        const paths = buildPaths(folder, id, arch);
        const meta = await metas.get(paths.meta);
        return meta && { paths, meta };
      }),
    );
    return found.flatMap((one) => one ?? []);
  };
  const allOf = async (some: readonly string[]) => (await Promise.all(some.map(buildsOf))).flat();
  let others: { of: readonly string[]; looked: number; builds: Promise<StoredBuild[]> } | undefined;
  return {
    folder,
    builds: async () => {
      const all = (await ids.get(top)) ?? [];
      if (others?.of !== all || Date.now() - others.looked > OTHERS_MS) {
        others = { of: all, looked: Date.now(), builds: allOf(all.slice(LIVELY)) };
      }
      return [...(await allOf(all.slice(0, LIVELY))), ...(await others.builds)];
    },
    version: () => ids.reads + metas.reads,
    build: async (id, arch) => {
      // Only names that were given out: a path of somebody's own never becomes one of ours.
      if (parseBuildId(id) === undefined) return undefined;
      return (await buildsOf(id)).find(({ meta }) => arch === undefined || meta['coreos-assembler.basearch'] === arch);
    },
    journal: async (path) => (await journals.get(path)) ?? [],
  };
}

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
