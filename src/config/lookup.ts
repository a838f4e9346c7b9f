import { NightlyError } from '../errors.ts';
import { didYouMean } from '../nearest.ts';
import type { Config, StreamConfig, TargetConfig } from './config.ts';
import { substituteBasearch } from './normalise.ts';

/**
 * The stream of that name, or the only one when no name is given.
 * @throws NightlyError `usage` when there is none of that name, or several to choose from.
 */
export function findStream(config: Config, name: string | undefined): StreamConfig {
  const names = Object.keys(config.streams);
  const wanted = name ?? (names.length === 1 ? names[0] : undefined);
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

/** A stream's targets in their order; the first is where verification and defaults look. */
export function targetsOf(config: Config, stream: StreamConfig): TargetConfig[] {
  return stream.targets.flatMap((name) => config.targets[name] ?? []);
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
  return substituteBasearch(ref, stream.arch);
}
