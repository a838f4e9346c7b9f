import { dirname } from 'node:path';
import { asNightlyError } from '../../base/as-nightly-error.ts';
import type { NightlyError } from '../../base/errors.ts';
import { sha256, writeFileAtomic } from '../../base/files.ts';
import type { Evidence } from './verify-log.ts';

/** What is remembered of a look at a target, and what of it could not be. */
export interface Remembered {
  /** Paths of the two checkpoints that do not fit together. */
  readonly evidence: readonly string[];
  /** Why the rest is not remembered: what was found stands all the same, and has to be told. */
  readonly unkept?: NightlyError;
}

/**
 * Writes evidence and state. A disk that is full is not thrown: it must not hide what was found.
 * @param state the file; of what it is to hold undefined leaves what is there
 */
export async function remember(
  state: string,
  { evidence, text }: { readonly evidence: Evidence | undefined; readonly text: string | Uint8Array | undefined },
): Promise<Remembered> {
  const kept: string[] = [];
  try {
    if (evidence) kept.push(...(await keepEvidence(state, evidence)));
    if (text !== undefined) await writeFileAtomic(state, text);
    return { evidence: kept };
  } catch (error) {
    return { evidence: kept, unkept: asNightlyError(error, [dirname(state)]) };
  }
}

/** Keeps two checkpoints that do not fit together beside the state: they show what was served. Returns the paths. */
async function keepEvidence(state: string, { seen, now }: Evidence): Promise<string[]> {
  const kept = [
    { path: `${state}.seen-${sha256(seen).slice(0, 12)}`, note: seen },
    { path: `${state}.served-${sha256(now).slice(0, 12)}`, note: now },
  ];
  for (const { path, note } of kept) await writeFileAtomic(path, note);
  return kept.map(({ path }) => path);
}
