import type { SourcePlace } from '../errors.ts';
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
  /** Where a value was written, as in `placeOf('streams', 'nightly', 'ref')`; the nearest enclosing value otherwise. */
  placeOf(...keys: readonly (string | number)[]): SourcePlace;
}

export type Architecture = (typeof ARCHITECTURES)[number];

export type EngineConfig =
  | { readonly type: 'auto' }
  | { readonly type: 'dnf' }
  /** `command` is what stands in front of `compose tree …`; `['rpm-ostree']` unless configured. */
  | { readonly type: 'rpm-ostree'; readonly command: readonly [string, ...string[]] };

export type TargetConfig = DirectoryTargetConfig | RsyncTargetConfig;

export interface DirectoryTargetConfig {
  readonly type: 'directory';
  readonly name: string;
  readonly path: string;
  /** Without a trailing slash. */
  readonly url: string;
}

export interface RsyncTargetConfig {
  readonly type: 'rsync';
  readonly name: string;
  /** `[user@]host:/path` or `rsync://[user@]host[:port]/module[/path]`, without a trailing slash. */
  readonly destination: string;
  /** Only in the ssh form. */
  readonly ssh: { readonly identityFile?: string; readonly knownHostsFile?: string; readonly port?: number };
  /** Only in the daemon form. */
  readonly passwordFile?: string;
  /** As rsync's `--bwlimit` takes it. */
  readonly bandwidthLimit?: string;
  /** Without a trailing slash. */
  readonly url: string;
}

export interface StreamConfig {
  readonly name: string;
  /** Absolute path of the top treefile. */
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
  readonly retention: { readonly builds: number };
}

export interface SmokeTestConfig {
  readonly images: readonly string[];
  readonly timeoutSeconds: number;
  readonly allowDegraded: readonly { readonly unit: string; readonly reason: string }[];
}
