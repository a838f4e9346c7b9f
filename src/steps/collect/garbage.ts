import { readdir } from 'node:fs/promises';
import { diskUse } from '../../base/disk-use.ts';
import { ifThere } from '../../base/files.ts';

/** What of the work folder nobody needs. */
export interface Garbage {
  /**
   * `scratch`: work files of builds that have ended; `images`, `packages`: what retention no longer keeps; `cache`: of a stream that
   * is not configured; `unfinished`: files that a killed process was writing; `build-root`: one that a rebuild lays out again; `job`: of a
   * rebuild of which nothing is published.
   */
  readonly kind: 'scratch' | 'images' | 'packages' | 'cache' | 'unfinished' | 'build-root' | 'job';
  /** Relative to the work folder. */
  readonly path: string;
  /** What goes, absolute: the path itself, or some files in it. */
  readonly parts: readonly string[];
  /** What is free once it is gone; what a target has by a hard link is not. */
  readonly bytes: number;
  readonly why: string;
}

/** Garbage that was found and not measured. */
export type Found = Omit<Garbage, 'path' | 'bytes'> & { readonly at: string };

/** Returns what goes as a whole. @param at absolute */
export const whole = (kind: Garbage['kind'], at: string, why: string): Found => ({ kind, at, parts: [at], why });

/** Returns what was found with its size. */
export async function measured(work: string, found: readonly Found[]): Promise<Garbage[]> {
  const items: Garbage[] = [];
  for (const { at, ...rest } of found) {
    let bytes = 0;
    for (const part of rest.parts) bytes += await diskUse(part);
    items.push({ ...rest, path: at.slice(work.length + 1), bytes });
  }
  return items;
}

/** Returns the names in a folder, sorted; none where there is no folder. */
export const namesIn = async (folder: string): Promise<string[]> => ((await ifThere(readdir(folder))) ?? []).sort();
