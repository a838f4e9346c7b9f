import { didYouMean } from '../base/nearest.ts';
import type { Breach } from './breach.ts';
import { type EngineConfig, isFolderEngine } from './engine.ts';
import type { WrittenRelease } from './release.ts';
import { checkUpstreamStream } from './upstream.ts';

/** A stream as the rules see it. */
interface Stream extends WrittenRelease {
  readonly treefile?: string;
  readonly engine?: unknown;
  readonly provenance?: unknown;
  readonly ref?: string;
  readonly signing?: unknown;
  readonly smokeTest: unknown;
}

type Streams = Readonly<Record<string, Pick<Stream, 'promotesFrom' | 'treefile'>>>;

/**
 * Returns what is wrong with a stream, as a release stream or because it is none. Paths are relative to the stream.
 * @param engine of a nightly stream
 */
export function checkRelease(
  stream: Stream,
  streams: Streams,
  names: readonly string[],
  engine: EngineConfig | undefined,
): Breach[] {
  const { promotesFrom: source } = stream;
  if (source === undefined) return checkNightly(stream, engine);
  return [
    ...checkPromotesFrom(source, streams, names),
    ...checkReleased(stream, streams[source]),
    ...checkUpstream(stream.cycle, names),
  ];
}

/** Returns what is wrong with a stream that no promotions go to. */
function checkNightly(stream: Stream, engine: EngineConfig | undefined): Breach[] {
  const breaches: Breach[] = [];
  const others = { 'rpm-keys': stream.rpmKeys, rebuild: stream.rebuild, cycle: stream.cycle, release: stream.to };
  for (const [key, value] of Object.entries(others)) {
    if (value !== undefined) breaches.push({ path: [key], message: 'is for a stream with "promotes-from" only.' });
  }
  for (const key of ['approvals', 'rebuilds'] as const)
    if (stream[key] > 0) breaches.push({ path: [key], message: 'is for a stream with "promotes-from" only.' });
  if (stream.treefile === undefined && !(engine && isFolderEngine(engine))) {
    breaches.push({ path: [], message: 'needs a "treefile", or "promotes-from" to be a release stream.' });
  }
  return breaches;
}

/** Returns what is wrong with the stream that builds are promoted from. */
function checkPromotesFrom(source: string, streams: Streams, names: readonly string[]): Breach[] {
  const path = ['promotes-from'];
  if (!names.includes(source)) {
    const guess = didYouMean(source, names);
    return [{ path, message: `there is no stream "${source}".${guess || ` Streams here: ${names.join(', ')}.`}` }];
  }
  if (streams[source]?.promotesFrom === undefined) return [];
  return [{ path, message: `"${source}" is a release stream itself; name the nightly stream.` }];
}

/** Returns what is wrong with a release stream by itself. @param source the stream that it promotes from, if there is one */
function checkReleased(stream: Stream, source: Streams[string] | undefined): Breach[] {
  const breaches: Breach[] = [];
  if (stream.treefile !== undefined) {
    breaches.push({
      path: ['treefile'],
      message: 'must not be set: a promotion is built from the treefile of its nightly build.',
    });
  }
  if (stream.engine !== undefined) {
    breaches.push({
      path: ['engine'],
      message: 'must not be set: a promotion is built by the engine of its nightly build.',
    });
  }
  if (stream.provenance !== undefined) {
    breaches.push({ path: ['provenance'], message: 'must not be set: a release has the tree of its nightly build.' });
  }
  if (stream.rebuild !== undefined && source?.treefile === undefined) {
    breaches.push({
      path: ['rebuild'],
      message: `is for streams that are made of packages; "${stream.promotesFrom}" has no treefile.`,
    });
  }
  if (stream.ref === undefined) {
    breaches.push({ path: [], message: 'needs a "ref" of its own, because the treefile has that of the nightly.' });
  }
  if (stream.to !== undefined && stream.smokeTest === false) {
    breaches.push({
      path: ['release'],
      message: 'needs a "smoke-test" in the stream: nothing is released that was not tested.',
    });
  }
  if (stream.to !== undefined && stream.signing === undefined) {
    breaches.push({ path: ['release'], message: 'needs "signing" in the stream: nothing is released unsigned.' });
  }
  return breaches;
}

/** Returns what is wrong with the upstream distribution that candidates follow. */
function checkUpstream(cycle: Stream['cycle'], names: readonly string[]): Breach[] {
  const breaches = checkUpstreamStream(cycle?.upstream?.compared, names);
  if (!cycle?.upstream || cycle.weeks % cycle.upstream.weeks === 0) return breaches;
  return [
    ...breaches,
    {
      path: ['cycle', 'upstream', 'weeks'],
      message: `must divide cycle.weeks (${cycle.weeks}), so that each candidate has an upstream release of its own.`,
    },
  ];
}
