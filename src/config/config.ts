import type { SourcePlace } from '../base/errors.ts';
import type { BuildEventType } from './notify.ts';
import type { ARCHITECTURES } from './schema.ts';

/** The configuration as the program uses it: absolute paths, every default filled in. */
export interface Config {
  /** The file it came from, absolute. */
  readonly path: string;
  readonly name: string;
  readonly work: string;
  readonly engine: EngineConfig;
  /** Folder with image types of the project's own, absolute. */
  readonly imageTemplates?: string;
  /** By name, in the order of the file. */
  readonly targets: Readonly<Record<string, TargetConfig>>;
  /** By name, in the order of the file. */
  readonly streams: Readonly<Record<string, StreamConfig>>;
  /** In the order of the file. */
  readonly notify: readonly NotifyConfig[];
  readonly service: ServiceConfig;
  /** Where a value was written, as in `placeOf('streams', 'nightly', 'ref')`; the nearest enclosing value otherwise. */
  placeOf(...keys: readonly (string | number)[]): SourcePlace;
}

export type Architecture = (typeof ARCHITECTURES)[number];

export type EngineConfig =
  | { readonly type: 'auto' }
  | { readonly type: 'dnf' }
  /** `command` is what stands in front of `compose tree …`; `['rpm-ostree']` unless configured. */
  | { readonly type: 'rpm-ostree'; readonly command: readonly [string, ...string[]] };

export type TargetConfig = DirectoryTargetConfig | RsyncTargetConfig | SshTargetConfig | S3TargetConfig;

interface AnyTargetConfig {
  readonly name: string;
  /** Where clients read it, without a trailing slash. */
  readonly url: string;
  /** Certificates that vouch for that URL, in place of the system's. */
  readonly caFile?: string;
  /** Undefined: nothing there is ever removed. */
  readonly retention?: TargetRetention;
  /** No pages for people are put there. */
  readonly pages?: false;
}

/** What a prune of a target may remove. */
export interface TargetRetention {
  /** In the order of the file; the first whose pattern matches a ref holds for it. */
  readonly refs: readonly RefPolicy[];
  /** Images, and logs, of builds older than this may go; undefined: none go. */
  readonly imagesSeconds?: number;
  readonly logsSeconds?: number;
  /** From when a commit is given up until its files go. */
  readonly graceSeconds: number;
}

/** A commit stays while any of these holds for it, and in any case while some ref names it. */
export interface RefPolicy {
  /** A ref; `*` stands for any text. */
  readonly pattern: string;
  /** The newest commits of the ref stay. The one it names stays in any case. */
  readonly depth?: number;
  /** Younger ones stay. */
  readonly ageSeconds?: number;
}

export interface DirectoryTargetConfig extends AnyTargetConfig {
  readonly type: 'directory';
  readonly path: string;
}

/** How ssh connects; what is left out is as ssh itself has it. */
export interface SshConfig {
  readonly identityFile?: string;
  readonly knownHostsFile?: string;
  readonly port?: number;
}

export interface SshTargetConfig extends AnyTargetConfig {
  readonly type: 'ssh';
  /** `[user@]host:/path`, without a trailing slash. */
  readonly destination: string;
  readonly ssh: SshConfig;
}

export interface S3TargetConfig extends AnyTargetConfig {
  readonly type: 's3';
  readonly bucket: string;
  /** Without slashes at its ends; empty for the top of the bucket. */
  readonly prefix: string;
  /** Without a trailing slash; undefined: AWS. */
  readonly endpoint?: string;
  readonly region: string;
  /** Requests under way at the same time. */
  readonly parallel: number;
}

export interface RsyncTargetConfig extends AnyTargetConfig {
  readonly type: 'rsync';
  /** `[user@]host:/path` or `rsync://[user@]host[:port]/module[/path]`, without a trailing slash. */
  readonly destination: string;
  /** Only in the ssh form. */
  readonly ssh: SshConfig;
  /** Only in the daemon form. */
  readonly passwordFile?: string;
  /** As rsync's `--bwlimit` takes it. */
  readonly bandwidthLimit?: string;
}

/** One key that signs, by the kind of program that has its private half. */
export type SigningConfig = GpgAgentConfig | OpenpgpConfig | SigningCommandConfig;

/** A key in a GnuPG home, which may be on a card; its agent asks for or keeps the passphrase. */
export interface GpgAgentConfig {
  readonly type: 'gpg-agent';
  readonly home?: string;
  /** Fingerprint, 40 upper-case hex digits. */
  readonly key: string;
  readonly subkeys?: NamedParts;
}

/** Fingerprints of the parts of a key to sign with, upper-case hex, those that clients have had for longest first. */
export type NamedParts = readonly [string, ...string[]];

/** A private key in a file, used by this program itself. */
export interface OpenpgpConfig {
  readonly type: 'openpgp';
  /** Armored or binary. */
  readonly keyFile: string;
  /** Undefined: the key is not encrypted. */
  readonly passphrase?: PassphraseSource;
  readonly subkeys?: NamedParts;
}

/** Where a passphrase is: a file, an environment variable, or a systemd credential (`$CREDENTIALS_DIRECTORY/NAME`). */
export type PassphraseSource = { readonly file: string } | { readonly env: string } | { readonly credential: string };

/** Another program signs: it is given the bytes on standard input and prints a detached signature. */
export interface SigningCommandConfig {
  readonly type: 'command';
  readonly command: readonly [string, ...string[]];
  /** Armored or binary. */
  readonly publicKeyFile: string;
  readonly subkeys?: NamedParts;
  /** For one try. */
  readonly timeoutSeconds: number;
  /** Further tries after a failed one. */
  readonly retries: number;
}

/** From where a static delta leads to a new commit: its parent, nothing, or what another ref names. */
export type DeltaFrom = 'parent' | 'scratch' | { readonly ref: string };

export interface StreamConfig {
  readonly name: string;
  /** What makes this a release stream, fed by promotion only; undefined for a nightly stream. */
  readonly release?: ReleaseConfig;
  /** Absolute path of the top treefile; for a release stream that of the stream it is fed from. */
  readonly treefile: string;
  /** Instead of the treefile's ref, with `${basearch}` already replaced. */
  readonly ref?: string;
  readonly arch: Architecture;
  readonly seed: {
    readonly url: string;
    readonly allowNew: boolean;
    /** Absolute paths; empty: signatures are not asked for. */
    readonly gpgKeys: readonly string[];
  };
  /** Names of targets; the first is where verification and defaults look. */
  readonly targets: readonly [string, ...string[]];
  readonly remote: { readonly name: string; readonly url: string };
  readonly osName: string;
  /** Names of image types. */
  readonly images: readonly string[];
  /** What image file names start with. */
  readonly imagePrefix: string;
  /** Name of the Vagrant box and its catalogue. */
  readonly vagrantBox: string;
  /** Instead of the ref with `-tested`, `${basearch}` already replaced. */
  readonly testedRef?: string;
  readonly smokeTest: false | SmokeTestConfig;
  readonly allowDowngrades: readonly string[];
  readonly maxMetadataAgeSeconds?: number;
  /** Everything is signed by each: two while one key takes over from another. */
  readonly signing?: readonly [SigningConfig, ...SigningConfig[]];
  readonly deltas: readonly DeltaFrom[];
  /** The RPM with the stream's remote, for users and for the tree itself. */
  readonly releasePackage?: ReleasePackageConfig;
  readonly retention: { readonly builds: number };
  /** When "serve" begins a night; undefined: only when it is told to. */
  readonly schedule?: ScheduleConfig;
}

/** When nights begin. A moment is what the expression names; the night begins up to the jitter later. */
export interface ScheduleConfig {
  /** Five fields, or six with the second in front. */
  readonly cron: string;
  readonly timeZone: string;
  readonly jitterSeconds: number;
  /** How old the last missed moment may be to be caught up with; 0: none is. */
  readonly catchUpSeconds: number;
}

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** The service: what "serve" does besides the schedules. */
export interface ServiceConfig {
  readonly listen: Address;
  /** A failed night is gone on with so often; the wait doubles each time. */
  readonly retry: { readonly times: number; readonly waitSeconds: number };
  /** How long a run may go on when the service is stopped; undefined: it is left to go on by itself. */
  readonly drainSeconds: number | undefined;
  /** From the first trigger of a stream until its night begins. */
  readonly debounceSeconds: number;
  /** Undefined: there is no HTTP hook. */
  readonly tokenHashFile?: string;
  readonly mqtt?: MqttTriggerConfig;
}

/** Where messages that begin a night come from: `TOPIC/STREAM`. */
export type MqttTriggerConfig =
  | {
      readonly type: 'embedded';
      readonly listen: Address;
      /** As mosquitto_passwd writes it. */
      readonly passwordFile: string;
      /** By user: topic filters. */
      readonly publish: Readonly<Record<string, readonly string[]>>;
      /** By user: topic filters; undefined: everybody may subscribe to everything but what begins with `$`. */
      readonly subscribe?: Readonly<Record<string, readonly string[]>>;
      readonly topic: string;
    }
  | {
      readonly type: 'external';
      readonly broker: string;
      readonly user?: string;
      readonly passwordFile?: string;
      /** Certificates to trust, PEM; undefined: those of Node. */
      readonly caFile?: string;
      readonly topic: string;
    };

export interface ReleaseConfig {
  /** The nightly stream whose builds are promoted. */
  readonly promotesFrom: string;
  /** Absolute paths; empty: the keys that the repositories name. */
  readonly rpmKeys: readonly string[];
  /** How many people must approve a promotion before it is released. */
  readonly approvals: number;
  readonly cycle?: CycleConfig;
  /** Undefined: promotions stay on the stream's own targets. */
  readonly to?: ReleaseTo;
}

export interface ReleasePackageConfig {
  readonly name: string;
  readonly version: string;
  /** Absolute, as `templates`. */
  readonly repository: string;
  /** Undefined: those that come along. */
  readonly templates?: string;
}

/** Where a release goes, and who is told. */
export interface ReleaseTo {
  /** Names of targets. */
  readonly tree: readonly string[];
  readonly images: readonly string[];
  /** Absolute paths. */
  readonly knownIssues?: string;
  readonly templates?: string;
  readonly mail?: MailConfig;
}

export interface MailConfig {
  readonly from: string;
  readonly to: readonly string[];
  /** Undefined: the mail is left ready to send. */
  readonly smtp?: SmtpConfig;
}

/** A mail server that takes messages. */
export interface SmtpConfig {
  readonly host: string;
  readonly port: number;
  readonly security: 'starttls' | 'tls' | 'none';
  readonly user?: string;
  readonly passwordFile?: string;
}

/** Whom to tell what about builds. */
export type NotifyConfig = MailSinkConfig | WebhookSinkConfig | MatrixSinkConfig | MqttSinkConfig;

interface AnySinkConfig {
  /** Unique. */
  readonly name: string;
  readonly events: readonly BuildEventType[];
  /** Names of streams; undefined: all. */
  readonly streams?: readonly string[];
}

export interface MailSinkConfig extends AnySinkConfig {
  readonly type: 'mail';
  readonly from: string;
  readonly to: readonly string[];
  readonly smtp: SmtpConfig;
  /** Absolute path, as all files below. */
  readonly template?: string;
}

export interface WebhookSinkConfig extends AnySinkConfig {
  readonly type: 'webhook';
  readonly url: string;
  readonly secretFile: string;
}

export interface MatrixSinkConfig extends AnySinkConfig {
  readonly type: 'matrix';
  /** Without a trailing slash. */
  readonly homeserver: string;
  /** Id of the room, as in `!abc:example.org`. */
  readonly room: string;
  readonly accessTokenFile: string;
  readonly template?: string;
}

export interface MqttSinkConfig extends AnySinkConfig {
  readonly type: 'mqtt';
  readonly url: string;
  readonly username?: string;
  readonly passwordFile?: string;
  /** Certificates to trust, PEM; undefined: those of Node. */
  readonly caFile?: string;
  readonly topicPrefix: string;
}

/** Days are counted from 1970-01-01, UTC. */
export interface CycleConfig {
  /** When the first candidate is due. */
  readonly startDay: number;
  readonly weeks: number;
  readonly upstream?: {
    /** Of one of its releases. */
    readonly startDay: number;
    /** A divisor of the cycle's weeks. */
    readonly weeks: number;
    /** With `{date}` and `{count}`. */
    readonly id: string;
    /** By day: ids that are not of that form. */
    readonly releases: ReadonlyMap<number, string>;
  };
}

export interface SmokeTestConfig {
  readonly images: readonly string[];
  readonly timeoutSeconds: number;
  readonly allowDegraded: readonly { readonly unit: string; readonly reason: string }[];
}
