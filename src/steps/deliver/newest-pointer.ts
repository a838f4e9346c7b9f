import { compareBuildIds } from '../../build/build-id.ts';
import type { StreamPointer } from '../../published/stream-files.ts';

/** Returns the pointer with a build in it; unchanged when it names that build or a later one. */
export function withNewest<Entry extends { readonly build: string }>(
  old: StreamPointer<Entry> | undefined,
  stream: string,
  arch: string,
  entry: Entry,
): StreamPointer<Entry> {
  const before = old && Object.hasOwn(old.arches, arch) ? old.arches[arch] : undefined;
  if (old && before && compareBuildIds(before.build, entry.build) >= 0) return old;
  return { stream, arches: { ...old?.arches, [arch]: entry } };
}

/** The pointer without those builds; unchanged when it names none of them. */
export function withoutBuilds<Entry extends { readonly build: string }>(
  old: StreamPointer<Entry> | undefined,
  ids: readonly string[],
): StreamPointer<Entry> | undefined {
  if (!old || !Object.values(old.arches).some(({ build }) => ids.includes(build))) return old;
  return {
    ...old,
    arches: Object.fromEntries(Object.entries(old.arches).filter(([, { build }]) => !ids.includes(build))),
  };
}
