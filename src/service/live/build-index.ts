import { setTimeout as sleep, setImmediate as yieldToOthers } from 'node:timers/promises';
import type { BuildMeta } from '../../build/build-record.ts';
import { type PackedChanges, packChanges } from '../../rpm/packed-changes.ts';
import {
  CHANGE_WORDS,
  type ChangeWord,
  changesByKind,
  type PackageChange,
  type PackageDiff,
} from '../../rpm/pkgdiff.ts';

/**
 * What lists, charts, the feed and the metrics need of a record: it stays in memory for each of thousands of builds. Of
 * package changes there is only how many of each kind, and packed what is searched; of failures only where they were. `Work.build` has all of it.
 */
export type IndexedMeta = Omit<
  BuildMeta,
  'steps' | 'compose' | 'deltas' | 'approvals' | 'pendingImages' | 'advisories'
> & {
  /** Its package changes, as `packChanges` has them. */
  readonly changes?: PackedChanges;
};

/** Leaves of a record what the index keeps. */
export function indexed(meta: BuildMeta): IndexedMeta {
  const {
    steps: _steps,
    compose: _compose,
    deltas: _deltas,
    approvals: _approvals,
    pendingImages: _pending,
    advisories: _advisories,
    ...rest
  } = meta;
  const { pkgdiff, failures, promotion } = meta;
  return {
    ...rest,
    ...(pkgdiff ? { pkgdiff: kindsOf(pkgdiff), changes: packChanges(pkgdiff) } : {}),
    ...(failures ? { failures: failures.map(({ step, code }) => ({ step, code, message: '' })) } : {}),
    ...(promotion ? { promotion: { ...promotion, overrides: [], excludes: [] } } : {}),
  };
}

/** One change of each kind, shared by all builds. */
const SAMPLES: Readonly<Record<ChangeWord, PackageChange>> = {
  upgraded: ['', 2, {}],
  changed: ['', 2, { NewPackage: ['', '', ''] }],
  downgraded: ['', 3, {}],
  removed: ['', 1, {}],
  added: ['', 0, {}],
};

const COUNTED = new Map<string, PackageDiff>();

/** Returns changes that count like those; builds with as many of each kind share one list. */
function kindsOf(diff: PackageDiff): PackageDiff {
  const counts = changesByKind(diff).map(({ changes }) => changes.length);
  const key = counts.join();
  const known = COUNTED.get(key);
  if (known) return known;
  const made = CHANGE_WORDS.flatMap((word, at) => Array<PackageChange>(counts[at] ?? 0).fill(SAMPLES[word]));
  COUNTED.set(key, made);
  return made;
}

/**
 * So many of the newest builds are looked at every time; the others' records seldom change, and a look at a thousand
 * takes its time.
 */
const LIVELY = 60;
const OTHERS_MS = 10_000;
/** Builds looked at before others have their turn. */
const AT_ONCE = 4;
/** Pause between batches: as long as a batch takes, so that half of the time is left for requests. */
const PAUSE_MS = 4;

/** What was found of each build, newest first, and checked again from time to time. */
export interface Rounds<Found> {
  /** All that is known now, the same array as long as that is the same. What changed in an old build shows after some seconds. */
  all(): Promise<readonly Found[]>;
}

/**
 * Looks at the newest builds whenever asked, and at all others in the background, some at a time, so that neither the
 * first who asks nor anybody else waits for thousands of records to be read.
 * @param ids of all builds, newest first; the same array as long as they are the same
 * @param look given what it found before, which it returns again when nothing changed
 * @param waitMs how long those who ask wait for the first look at all; after it they are given what is known by then
 */
export function indexInBatches<Found>(
  ids: () => Promise<readonly string[]>,
  look: (id: string, before: Found | undefined) => Promise<Found>,
  waitMs: number,
): Rounds<Found> {
  const known = new Map<string, Found>();
  let told: { readonly of: readonly string[]; readonly all: readonly Found[] } | undefined;
  let round: { readonly of: readonly string[]; ended?: number; readonly done: Promise<void> } | undefined;
  let first: Promise<void> | undefined;

  async function lookAt(some: readonly string[]): Promise<void> {
    await Promise.all(
      some.map(async (id) => {
        const found = await look(id, known.get(id));
        if (known.get(id) === found) return;
        known.set(id, found);
        told = undefined;
      }),
    );
  }

  async function goRound(all: readonly string[]): Promise<void> {
    for (let at = LIVELY; at < all.length; at += AT_ONCE) {
      await lookAt(all.slice(at, at + AT_ONCE));
      if (waitMs === Number.POSITIVE_INFINITY) await yieldToOthers();
      else await sleep(PAUSE_MS, undefined, { ref: false });
    }
    const there = new Set(all);
    for (const id of known.keys()) if (!there.has(id)) known.delete(id);
  }

  function beginRound(all: readonly string[]): void {
    const done = goRound(all);
    const begun: NonNullable<typeof round> = { of: all, done };
    round = begun;
    const end = (): void => {
      begun.ended = performance.now();
    };
    first ??= waitMs === Number.POSITIVE_INFINITY ? done : Promise.race([done, afterMs(waitMs)]);
    // A fault ends this round only: those who wait for it hear of it, and the next who ask wait for the next one.
    done.then(end, () => {
      end();
      first = undefined;
    });
  }

  return {
    async all() {
      const newest = await ids();
      await lookAt(newest.slice(0, LIVELY));
      const { of, ended } = round ?? {};
      const due = ended !== undefined && (!first || of !== newest || performance.now() - ended > OTHERS_MS);
      if (!round || due) beginRound(newest);
      await first;
      if (told?.of !== newest) told = { of: newest, all: newest.flatMap((id) => known.get(id) ?? []) };
      return told.all;
    },
  };
}

function afterMs(ms: number): Promise<void> {
  return new Promise((settle) => {
    setTimeout(settle, ms).unref();
  });
}
