import { compareBuildIds } from '../../build/build-id.ts';

/** A JSON file that names one build of a stream for each architecture. */
export interface StreamPointer<Entry extends { readonly build: string }> {
  readonly stream: string;
  readonly arches: Readonly<Record<string, Entry>>;
}

/** Returns the pointer with a build in it; unchanged when it names that build or a later one. */
export function withNewest<Entry extends { readonly build: string }>(
  old: StreamPointer<Entry> | undefined,
  stream: string,
  arch: string,
  entry: Entry,
): StreamPointer<Entry> {
  const before = old?.arches[arch];
  if (old && before && compareBuildIds(before.build, entry.build) >= 0) return old;
  return { stream, arches: { ...old?.arches, [arch]: entry } };
}
