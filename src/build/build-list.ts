import type { BuildMeta } from './build-record.ts';

/** Builds with what is looked up among thousands of them: each look-up goes through all of them once, when first asked. */
export interface BuildList<Build> {
  /** Newest first. */
  readonly all: readonly Build[];
  /** Returns the builds of a stream, newest first. */
  of(stream: string): readonly Build[];
  /** The architecture of a build, which its address has; undefined when there is no such build. */
  archOf(id: string): string | undefined;
}

/** @param all newest first */
export function buildList<Build extends { readonly meta: Pick<BuildMeta, 'buildid' | 'basearch' | 'stream'> }>(
  all: readonly Build[],
): BuildList<Build> {
  let [streams, arches]: [Map<string, Build[]> | undefined, Map<string, string> | undefined] = [undefined, undefined];
  return {
    all,
    of(stream) {
      streams ??= byStream(all);
      return streams.get(stream) ?? [];
    },
    archOf(id) {
      arches ??= new Map(all.map(({ meta }) => [meta.buildid, meta.basearch]));
      return arches.get(id);
    },
  };
}

function byStream<Build extends { readonly meta: Pick<BuildMeta, 'stream'> }>(
  all: readonly Build[],
): Map<string, Build[]> {
  const streams = new Map<string, Build[]>();
  for (const build of all) {
    const own = streams.get(build.meta.stream);
    if (own) own.push(build);
    else streams.set(build.meta.stream, [build]);
  }
  return streams;
}
