import { NightlyError } from '../base/errors.ts';
import { didYouMean } from '../base/nearest.ts';
import { isRef } from '../ostree/ref.ts';
import type { Config, ReleaseConfig, StreamConfig, TargetConfig } from './config.ts';
import { substituteBasearch } from './values.ts';

/**
 * The stream of that name, or the only nightly one when no name is given.
 * @throws NightlyError `usage` when there is none of that name, or several to choose from.
 */
export function findStream(config: Config, name: string | undefined): StreamConfig {
  const names = Object.keys(config.streams);
  const nightly = names.filter((one) => config.streams[one]?.release === undefined);
  const wanted = name ?? (nightly.length === 1 ? nightly[0] : undefined);
  if (wanted === undefined) {
    throw new NightlyError('usage', `${config.path} has several streams: ${names.join(', ')}.`, {
      hint: 'Say which one, as in "atomic-nightly nightly STREAM".',
    });
  }
  // Own entries only: a stream called "constructor" must not be found on the prototype.
  const stream = Object.hasOwn(config.streams, wanted) ? config.streams[wanted] : undefined;
  if (stream === undefined) {
    throw new NightlyError('usage', `There is no stream "${wanted}".${didYouMean(wanted, names)}`, {
      hint: `Streams in ${config.path}: ${names.join(', ')}.`,
    });
  }
  return stream;
}

/**
 * The release stream that nightly builds of a stream are promoted to: the named one, or the only one.
 * @throws NightlyError `usage`, `config` when there is none.
 */
export function findReleaseStream(
  config: Config,
  { name, from }: { readonly name: string | undefined; readonly from: string | undefined },
): StreamConfig & { readonly release: ReleaseConfig } {
  const all = Object.values(config.streams).filter(isRelease);
  const fed = all.filter(({ release }) => from === undefined || release.promotesFrom === from);
  if (name !== undefined) {
    const stream = findStream(config, name);
    if (isRelease(stream) && fed.includes(stream)) return stream;
    const why = isRelease(stream)
      ? `is fed from "${stream.release.promotesFrom}", not from "${from}"`
      : 'is a nightly stream; nightly builds are promoted to a stream with "promotes-from"';
    const known = all.map((one) => one.name).join(', ') || 'none';
    throw new NightlyError('usage', `Stream "${name}" ${why}.`, {
      hint: `Release streams in ${config.path}: ${known}.`,
    });
  }
  const [first, ...others] = fed;
  if (first && others.length === 0) return first;
  if (!first) {
    throw new NightlyError('config', `No stream promotes ${from === undefined ? 'anything' : `from "${from}"`}.`, {
      hint: `Add a stream with "promotes-from: ${from ?? Object.keys(config.streams)[0]}", a ref and targets: docs/promotion.md.`,
      place: config.placeOf('streams'),
    });
  }
  throw new NightlyError('usage', `Several streams promote: ${fed.map((one) => one.name).join(', ')}.`, {
    hint: 'Say which one with --stream NAME.',
  });
}

function isRelease(stream: StreamConfig): stream is StreamConfig & { readonly release: ReleaseConfig } {
  return stream.release !== undefined;
}

/** What a target gets of a stream. */
export interface TargetUse {
  /** Commits, refs, summary. */
  readonly tree: boolean;
  /** Images, records, signatures, and the files that lead to them. */
  readonly builds: boolean;
  /** Only what is released: the stream does not publish its builds there. */
  readonly releases: boolean;
}

/** Every target that something of a stream goes to, by publishing or by a release, each once. */
export function targetUses({ targets, release }: Pick<StreamConfig, 'targets' | 'release'>): Map<string, TargetUse> {
  const { tree = [], images = [] } = release?.to ?? {};
  const released = [...tree, ...images].map((name): [string, TargetUse] => [
    name,
    { tree: tree.includes(name), builds: images.includes(name), releases: true },
  ]);
  const published = targets.map((name): [string, TargetUse] => [name, { tree: true, builds: true, releases: false }]);
  return new Map([...released, ...published]);
}

/** Whether commits are published to a target; of a target that no stream names any more it is not known, so they may be. */
export function getsTree({ streams }: Config, target: string): boolean {
  const uses = Object.values(streams).flatMap((stream) => targetUses(stream).get(target) ?? []);
  return uses.length === 0 || uses.some(({ tree }) => tree);
}

/** A stream's targets in their order; the first is where verification and defaults look. */
export function targetsOf(config: Config, stream: StreamConfig): TargetConfig[] {
  return stream.targets.flatMap((name) => config.targets[name] ?? []);
}

/** The folders that this program itself fills: its work folder, and targets that are folders. */
export function ownFolders({ work, targets }: Pick<Config, 'work' | 'targets'>): string[] {
  return [work, ...Object.values(targets).flatMap((target) => (target.type === 'directory' ? [target.path] : []))];
}

/**
 * The ref a stream builds: its own, else the treefile's, with `${basearch}` replaced.
 * @throws NightlyError `config`, with the stream's place, when neither has one.
 */
export function refOf(config: Config, stream: StreamConfig, treefileRef: string | undefined): string {
  const ref = stream.ref ?? treefileRef;
  if (ref === undefined) {
    throw new NightlyError('config', `Neither the stream "${stream.name}" nor its treefile has a ref.`, {
      hint: `Write "ref: name/${stream.arch}/something" in ${stream.treefile} or in the stream.`,
      place: config.placeOf('streams', stream.name),
    });
  }
  const filled = substituteBasearch(ref, stream.arch);
  if (isRef(filled)) return filled;
  throw new NightlyError('config', `ostree takes no ref "${filled}": ${stream.treefile} names it.`, {
    hint: 'A ref is words joined by "/", each of letters, digits, "_", "." and "-", the first neither "." nor "-".',
    place: config.placeOf('streams', stream.name),
  });
}
