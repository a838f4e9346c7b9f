import { sha256, writeFileAtomic } from '../../base/files.ts';
import type { Evidence } from './verify-log.ts';

/** Keeps two checkpoints that do not fit together beside the state: they show what was served. Returns the paths. */
export async function keepEvidence(state: string, { seen, now }: Evidence): Promise<string[]> {
  const kept = [
    { path: `${state}.seen-${sha256(seen).slice(0, 12)}`, note: seen },
    { path: `${state}.served-${sha256(now).slice(0, 12)}`, note: now },
  ];
  for (const { path, note } of kept) await writeFileAtomic(path, note);
  return kept.map(({ path }) => path);
}
