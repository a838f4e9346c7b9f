import type { SourcePlace } from '../base/errors.ts';
import { fillLog, type LogConfig } from './log.ts';
import { fillNotify, type NotifyConfig } from './notify.ts';
import type { WrittenConfig } from './schema.ts';
import { fillStream, type StreamConfig } from './streams.ts';
import type { TargetConfig } from './targets.ts';

export type { StatementKeyConfig } from './attestations.ts';
export type { BuildersConfig } from './builders.ts';
export type { ContentConfig, ContentRule } from './content.ts';
export type { CheckoutConfig, CommandConfig, EngineConfig, FolderEngineConfig } from './engine.ts';
export type { SmokeTestConfig } from './images.ts';
export type { KojiConfig } from './koji.ts';
export type { LogConfig, LogKeySource } from './log.ts';
export type {
  MailSinkConfig,
  MatrixSinkConfig,
  MqttSinkConfig,
  NotifyConfig,
  WebhookSinkConfig,
} from './notify.ts';
export type { PassphraseSource } from './private-keys.ts';
export type { RebuilderConfig } from './rebuilders.ts';
export type { CycleConfig, ReleaseConfig } from './release.ts';
export type { ReleasePackageConfig } from './release-package.ts';
export type { MailConfig, ReleaseTo } from './release-to.ts';
export type { RefPolicy, TargetRetention } from './retention.ts';
export type { ScheduleConfig } from './schedule.ts';
export type { Address, MqttTriggerConfig, ServiceConfig } from './service.ts';
export type {
  GpgAgentConfig,
  OpenpgpConfig,
  SigningCommandConfig,
  SigningConfig,
} from './signing.ts';
export type { StreamConfig } from './streams.ts';
export type {
  DirectoryTargetConfig,
  RsyncTargetConfig,
  S3TargetConfig,
  SshConfig,
  SshTargetConfig,
  TargetConfig,
} from './targets.ts';
export type { UpstreamConfig, UpstreamSource } from './upstream.ts';

/**
 * The configuration as the program uses it: absolute paths, every default filled in. The types of its blocks are inferred
 * from their schemas, which also say what each key is for.
 */
export interface Config extends Omit<WrittenConfig, 'targets' | 'streams' | 'notify' | 'log'> {
  /** The file it came from, absolute. */
  readonly path: string;
  /** Keyed by name, in the order of the file. */
  readonly targets: Readonly<Record<string, TargetConfig>>;
  /** Keyed by name, in the order of the file. */
  readonly streams: Readonly<Record<string, StreamConfig>>;
  /** The release log, where one is kept. */
  readonly log?: LogConfig;
  /** Sinks in the order of the file. */
  readonly notify: readonly NotifyConfig[];
  /** Where a value was written, as in `placeOf('streams', 'nightly', 'ref')`; the nearest enclosing value otherwise. */
  placeOf(...keys: readonly (string | number)[]): SourcePlace;
}

/** Fills in every default that depends on other values. `written` has passed the schema and the rules. */
export function fillConfig(written: WrittenConfig): Omit<Config, 'path' | 'placeOf'> {
  const { log, ...rest } = written;
  const { name: product, streams, targets, engine } = rest;
  return {
    ...rest,
    ...(log && { log: fillLog(log, targets) }),
    targets: mapValues(targets, (target, name): TargetConfig => ({ ...target, name })),
    streams: mapValues(streams, (stream, name) => fillStream(stream, name, { product, streams, targets, engine })),
    notify: fillNotify(written.notify, product),
  };
}

function mapValues<In, Out>(
  record: Readonly<Record<string, In>>,
  change: (value: In, name: string) => Out,
): Record<string, Out> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, change(value, name)]));
}
