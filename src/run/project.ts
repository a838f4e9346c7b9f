import { join } from 'node:path';
import type { Config, StreamConfig } from '../config/config.ts';
import { loadConfig } from '../config/load.ts';
import type { Engine } from '../engines/engine.ts';
import { selectEngine } from '../engines/select.ts';
import { NightlyError } from '../errors.ts';
import { openTarget } from '../targets/open.ts';
import type { Target } from '../targets/target.ts';
import { readTreefile } from '../treefile/read.ts';
import type { Treefile } from '../treefile/treefile.ts';

/** Everything a run of one stream works with, opened and checked, before any work is done. */
export interface Project {
  readonly config: Config;
  readonly stream: StreamConfig;
  readonly treefile: Treefile;
  readonly ref: string;
  readonly engine: Engine;
  /** Which engine was chosen and why, for people. */
  readonly engineReason: string;
  readonly targets: readonly [Target, ...Target[]];
  /** The archive repo: twin of what is published. */
  readonly repo: string;
  /** Kept between nights, private to the stream. */
  readonly cacheDir: string;
}

/**
 * Opens a stream of a configuration. Without a name, the only stream there is.
 * @throws NightlyError `config`, `usage`, `treefile`, `unsupported`, `tool-missing`.
 */
export async function openProject(configPath: string, streamName: string | undefined): Promise<Project> {
  const config = await loadConfig(configPath);
  const stream = chooseStream(config, streamName);
  const treefile = await readTreefile(stream.treefile, { basearch: stream.arch });
  const ref = stream.ref ?? treefile.values.ref;
  if (ref === undefined) {
    throw new NightlyError(
      'config',
      `Neither the stream "${stream.name}" nor its treefile ${stream.treefile} has a ref.`,
      {
        hint: 'Add "ref: name/${basearch}/nightly" to either.',
        place: config.placeOf('streams', stream.name),
      },
    );
  }
  const { engine, reason } = await selectEngine(config.engine);
  engine.check(treefile);
  const [first, ...others] = stream.targets.map((name) => {
    const target = config.targets[name];
    if (!target) throw new NightlyError('config', `There is no target "${name}".`);
    return openTarget(target);
  });
  if (!first) throw new NightlyError('config', `The stream "${stream.name}" has no target.`);
  return {
    config,
    stream,
    treefile,
    ref,
    engine,
    engineReason: reason,
    targets: [first, ...others],
    repo: join(config.work, 'repo'),
    cacheDir: join(config.work, 'cache', stream.name),
  };
}

function chooseStream(config: Config, name: string | undefined): StreamConfig {
  const names = Object.keys(config.streams);
  const chosen = name ?? (names.length === 1 ? names[0] : undefined);
  const stream = chosen === undefined ? undefined : config.streams[chosen];
  if (stream) return stream;
  throw new NightlyError(
    'usage',
    name === undefined ? 'There are several streams; say which.' : `There is no stream "${name}" in ${config.path}.`,
    { hint: `Streams: ${names.join(', ')}.` },
  );
}
