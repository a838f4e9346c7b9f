import { join } from 'node:path';
import { NightlyError, type SourcePlace } from '../base/errors.ts';
import { quietTask } from '../base/task.ts';
import { readTestFolder } from '../boot/guest-tests/test-folder.ts';
import type { Config, StreamConfig } from '../config/config.ts';
import { isFolderEngine } from '../config/engine.ts';
import { loadConfig } from '../config/load.ts';
import { findStream, refOf, targetsOf, targetUses } from '../config/lookup.ts';
import { type Engine, type FolderEngine, isFolder, type RpmEngine } from '../engines/engine.ts';
import { selectEngine } from '../engines/open-engine.ts';
import { loadImageTemplate } from '../images/template/load-template.ts';
import { templateValues } from '../images/template/template-values.ts';
import { requireSigsum } from '../programs/sigsum.ts';
import { keptSigner } from '../signing/kept.ts';
import { openLogKey } from '../signing/log-key.ts';
import { jointSigner, openSigner } from '../signing/open-signer.ts';
import type { Signer } from '../signing/signer.ts';
import { openStatementSigner, type StatementSigner } from '../signing/statement-signer.ts';
import { openTarget } from '../targets/open-target.ts';
import type { Target } from '../targets/target.ts';
import { readTreefile } from '../treefile/read.ts';
import type { Treefile } from '../treefile/treefile.ts';
import { testedRefOf } from './streams-on.ts';

/** Everything a run of one stream works with, opened and checked, before any work is done. */
export type Project = RpmProject | FolderProject;

/** A stream whose trees are made of RPM packages. */
export interface RpmProject extends CommonProject {
  readonly treefile: Treefile;
  readonly engine: RpmEngine;
}

/** A stream whose trees others make: what they are made of is not known before. */
export interface FolderProject extends CommonProject {
  readonly treefile: undefined;
  readonly engine: FolderEngine;
}

/** What holds whatever a stream's trees are made of. */
interface CommonProject {
  readonly config: Config;
  readonly stream: StreamConfig;
  /** Digest of what defines the trees beside their inputs: the treefile, or the settings of the engine. */
  readonly definition: string;
  readonly ref: string;
  /** The ref that follows once the smoke test has passed; undefined for streams without one. */
  readonly testedRef: string | undefined;
  /** Which engine was chosen and why, for people. */
  readonly engineReason: string;
  readonly targets: readonly [Target, ...Target[]];
  /** Signs commits and summaries; undefined for streams that do not sign. */
  readonly signer?: Signer | undefined;
  /** Signs statements of builds; undefined for streams without them. */
  readonly statementSigner?: StatementSigner | undefined;
  /** The archive repo: twin of what is published. */
  readonly repo: string;
  /** Kept between nights, private to the stream. */
  readonly cacheDir: string;
}

/** Returns the folder with what the builds of a stream keep for each other. */
export const cacheFolder = (work: string, stream: string): string => join(work, 'cache', stream);

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
  const treefile = isFolderEngine(stream.engine)
    ? undefined
    : await readTreefile(treefilePath ?? stream.treefile, {
        basearch: stream.arch,
        reachedBy: treefilePath === undefined ? undefined : stream.treefile,
      });
  const ref = refOf(config, stream, treefile?.values.ref);
  const { engine, reason } = await selectEngine(stream.engine);
  const made = madeBy(engine, treefile);
  // Image types and tests are read again for each build; a fault in one shall be known before any work.
  const values = templateValues(config, stream, ref, '00000000_00');
  for (const image of stream.images) await loadImageTemplate(image, config.imageTemplates, values);
  if (stream.tests?.gate) await readTestFolder(stream.tests.dir);
  const [first, ...others] = targetsOf(config, stream).map(openTarget);
  const signer = streamSigner(config, stream);
  // Not after hours of composing: a key that has expired, a passphrase that does not fit.
  const at = config.placeOf('streams', stream.name, 'signing');
  if (signer) await checkAt(at, signer.check(quietTask()));
  const statement = stream.attestations?.statement;
  const statementSigner = statement && openStatementSigner(statement.key);
  const attestations = config.placeOf('streams', stream.name, 'attestations');
  if (statementSigner) await checkAt(attestations, statementSigner.check());
  if (statement?.sigsum) await checkAt(attestations, requireSigsum());
  if (config.log) await openLogKey(config.log);
  if (!first) throw new NightlyError('bug', `The stream "${stream.name}" passed its checks without a target.`);
  return {
    config,
    stream,
    ...made,
    ref,
    testedRef: testedRefOf(stream, ref),
    engineReason: reason,
    targets: [first, ...others],
    signer,
    ...(statementSigner && { statementSigner }),
    repo: join(config.work, 'repo'),
    cacheDir: cacheFolder(config.work, stream.name),
  };
}

function madeBy(
  engine: Engine,
  treefile: Treefile | undefined,
): Pick<RpmProject, 'engine' | 'treefile' | 'definition'> | Pick<FolderProject, 'engine' | 'treefile' | 'definition'> {
  if (isFolder(engine)) return { engine, treefile: undefined, definition: engine.digest };
  if (treefile === undefined) throw new NightlyError('bug', `The engine ${engine.name} was opened without a treefile.`);
  engine.check(treefile);
  return { engine, treefile, definition: treefile.digest };
}

/** Who signs for a stream, with all its keys as one; undefined for streams that do not sign. */
export function streamSigner(config: Pick<Config, 'work'>, stream: StreamConfig): Signer | undefined {
  const signers = streamSigners(config, stream);
  return signers.length === 0 ? undefined : jointSigner(signers);
}

/**
 * Returns a signer for each of a stream's keys, with the signatures kept in the work folder; none for streams that do
 * not sign.
 */
export function streamSigners({ work }: Pick<Config, 'work'>, { signing }: StreamConfig): Signer[] {
  return (signing ?? []).map((one) => keptSigner(openSigner(one), join(work, 'signatures')));
}

/** Who signs what the streams of a target share, its index of builds for one: the first of them that signs. */
export function targetSigner(config: Pick<Config, 'streams' | 'work'>, target: string): Signer | undefined {
  const streams = Object.values(config.streams).filter((stream) => targetUses(stream).has(target));
  return streams.map((stream) => streamSigner(config, stream)).find((signer) => signer !== undefined);
}

/** Adds to what a check throws the place in the configuration that names what it checks. */
async function checkAt(place: SourcePlace, check: Promise<void>): Promise<void> {
  await check.catch((error: unknown) => {
    if (!(error instanceof NightlyError) || error.place !== undefined) throw error;
    const { code, message, hint, log } = error;
    throw new NightlyError(code, message, { place, log, cause: error, ...(hint !== undefined && { hint }) });
  });
}
