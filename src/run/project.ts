import { join } from 'node:path';
import { NightlyError } from '../base/errors.ts';
import { quietTask } from '../base/task.ts';
import type { Config, StreamConfig } from '../config/config.ts';
import { loadConfig } from '../config/load.ts';
import { findStream, refOf, targetsOf, targetUses } from '../config/lookup.ts';
import type { Engine } from '../engines/engine.ts';
import { selectEngine } from '../engines/open-engine.ts';
import { loadImageTemplate } from '../images/template/load-template.ts';
import { templateValues } from '../images/template/template-values.ts';
import { keptSigner } from '../signing/kept.ts';
import { jointSigner, openSigner } from '../signing/open-signer.ts';
import type { Signer } from '../signing/signer.ts';
import { openTarget } from '../targets/open-target.ts';
import type { Target } from '../targets/target.ts';
import { readTreefile } from '../treefile/read.ts';
import type { Treefile } from '../treefile/treefile.ts';
import { testedRefOf } from './streams-on.ts';

/** Everything a run of one stream works with, opened and checked, before any work is done. */
export interface Project {
  readonly config: Config;
  readonly stream: StreamConfig;
  readonly treefile: Treefile;
  readonly ref: string;
  /** The ref that follows once the smoke test has passed; undefined for streams without one. */
  readonly testedRef: string | undefined;
  readonly engine: Engine;
  /** Which engine was chosen and why, for people. */
  readonly engineReason: string;
  readonly targets: readonly [Target, ...Target[]];
  /** Signs commits and summaries; undefined for streams that do not sign. */
  readonly signer?: Signer;
  /** The archive repo: twin of what is published. */
  readonly repo: string;
  /** Kept between nights, private to the stream. */
  readonly cacheDir: string;
}

/**
 * Opens a stream of a configuration. Without a name, the only nightly stream there is.
 * @param treefilePath instead of the stream's treefile: a promotion is built from that of its night
 * @throws NightlyError `config`, `usage`, `treefile`, `unsupported`, `tool-missing`, `signing`.
 */
export async function openProject(
  configPath: string,
  streamName: string | undefined,
  treefilePath?: string,
): Promise<Project> {
  const config = await loadConfig(configPath);
  const stream = findStream(config, streamName);
  const treefile = await readTreefile(treefilePath ?? stream.treefile, { basearch: stream.arch });
  const ref = refOf(config, stream, treefile.values.ref);
  const { engine, reason } = await selectEngine(stream.engine);
  engine.check(treefile);
  // Image types are read again for each build; a fault in one shall be known before any work.
  const values = templateValues(config, stream, ref, '00000000_00');
  for (const image of stream.images) await loadImageTemplate(image, config.imageTemplates, values);
  const [first, ...others] = targetsOf(config, stream).map(openTarget);
  const signer = streamSigner(config, stream);
  // Not after hours of composing: a key that has expired, a passphrase that does not fit.
  await signer?.check(quietTask());
  if (!first) throw new NightlyError('bug', `The stream "${stream.name}" passed its checks without a target.`);
  return {
    config,
    stream,
    treefile,
    ref,
    testedRef: testedRefOf(stream, ref),
    engine,
    engineReason: reason,
    targets: [first, ...others],
    ...(signer === undefined ? {} : { signer }),
    repo: join(config.work, 'repo'),
    cacheDir: join(config.work, 'cache', stream.name),
  };
}

/** Who signs for a stream, with all its keys as one; undefined for streams that do not sign. */
export function streamSigner(config: Config, stream: StreamConfig): Signer | undefined {
  const signers = streamSigners(config, stream);
  return signers.length === 0 ? undefined : jointSigner(signers);
}

/**
 * Returns a signer for each of a stream's keys, with the signatures kept in the work folder; none for streams that do
 * not sign.
 */
export function streamSigners({ work }: Config, { signing }: StreamConfig): Signer[] {
  return (signing ?? []).map((one) => keptSigner(openSigner(one), join(work, 'signatures')));
}

/** Who signs what the streams of a target share, its index of builds for one: the first of them that signs. */
export function targetSigner(config: Config, target: string): Signer | undefined {
  const streams = Object.values(config.streams).filter((stream) => targetUses(stream).has(target));
  return streams.map((stream) => streamSigner(config, stream)).find((signer) => signer !== undefined);
}
