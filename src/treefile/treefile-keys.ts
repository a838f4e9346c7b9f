import { type KeySpec, list, mapOf, names, plain } from './key-spec.ts';
import type { RepoPackages } from './package-lists.ts';
import {
  anyJson,
  count,
  flag,
  type JsonValue,
  oneOf,
  oneOfWithOld,
  text,
  textOrCount,
  texts,
  type Variable,
  variable,
} from './shapes.ts';
import {
  type AddFile,
  addFile,
  type CheckGroups,
  type CheckPasswd,
  checkGroups,
  checkPasswd,
  type Rojig,
  removeFromPackage,
  repoPackages,
  rojig,
} from './structures.ts';

/**
 * The values of a flattened treefile under their present names. What each means is documented in rpm-ostree's
 * docs/treefile.md; said here is only what the reader has made of it. Paths of files on this host
 * (`postprocess-script`, the first of each `add-files` pair, `filename` of `check-passwd` and `check-groups`,
 * `finalize.d`) are absolute: each was resolved against the folder of the treefile that named it.
 */
export interface TreefileValues {
  readonly edition?: '2014' | '2024';
  /** Variables are substituted. */
  readonly ref?: string;
  readonly metadata?: Readonly<Record<string, JsonValue>>;
  /** Always there: the architecture the treefile was read for. */
  readonly basearch?: string;
  /** Variables of all files and of the caller, without the built-in `basearch` and `releasever`. */
  readonly variables?: Readonly<Record<string, Variable>>;
  /** dnf variables for the .repo files. */
  readonly repovars?: Readonly<Record<string, string>>;
  readonly rojig?: Rojig;
  /** Repository ids; an id may come twice. */
  readonly repos?: readonly string[];
  readonly 'lockfile-repos'?: readonly string[];
  readonly selinux?: boolean;
  readonly 'ignore-devices'?: boolean;
  readonly 'selinux-label-version'?: number;
  readonly sysusers?: 'compose-auto' | 'compose-forced';
  readonly ima?: boolean;
  readonly 'gpg-key'?: string;
  /**
   * All requests, sorted, each once: `packages`, `packages-<basearch>` and `bootstrap_packages` of every file. An entry
   * may be a version query such as `podman >= 4.1`.
   */
  readonly packages?: readonly string[];
  readonly 'repo-packages'?: readonly RepoPackages[];
  readonly 'exclude-packages'?: readonly string[];
  readonly 'ostree-layers'?: readonly string[];
  readonly 'ostree-override-layers'?: readonly string[];
  readonly 'platform-module'?: string;
  readonly cliwrap?: boolean;
  readonly 'cliwrap-binaries'?: readonly string[];
  /** Its consequences (selinux, tmp-is-dir, boot-location, preserve-passwd, check-*) are in the other keys already. */
  readonly container?: boolean;
  readonly recommends?: boolean;
  readonly documentation?: boolean;
  readonly 'install-langs'?: readonly string[];
  readonly 'initramfs-args'?: readonly string[];
  readonly 'no-initramfs'?: boolean;
  readonly 'readonly-executables'?: boolean;
  readonly 'boot-location'?: 'new' | 'modules' | 'kernel-install';
  readonly 'tmp-is-dir'?: boolean;
  readonly 'opt-usrlocal'?: 'var' | 'root' | 'state-overlay';
  readonly units?: readonly string[];
  readonly 'default-target'?: string;
  readonly 'machineid-compat'?: boolean;
  /** Value as written: text or a number. */
  readonly releasever?: string | number;
  readonly 'automatic-version-prefix'?: string;
  readonly 'automatic-version-suffix'?: string;
  readonly 'mutate-os-release'?: string;
  readonly 'etc-group-members'?: readonly string[];
  readonly 'preserve-passwd'?: boolean;
  readonly 'check-passwd'?: CheckPasswd;
  readonly 'check-groups'?: CheckGroups;
  readonly 'ignore-removed-users'?: readonly string[];
  readonly 'ignore-removed-groups'?: readonly string[];
  /** Absolute path of an executable file. */
  readonly 'postprocess-script'?: string;
  /** Whole scripts, in the order to run. */
  readonly postprocess?: readonly string[];
  /** Absolute path of the source, then the path in the tree. The source's permission bits go along. */
  readonly 'add-files'?: readonly AddFile[];
  readonly 'remove-files'?: readonly string[];
  /** Package, then regular expressions over absolute paths. */
  readonly 'remove-from-packages'?: readonly (readonly string[])[];
  readonly 'add-commit-metadata'?: Readonly<Record<string, JsonValue>>;
  readonly 'repo-metadata'?: 'inline' | 'detached' | 'disabled';
  readonly 'advisories-metadata'?: 'inline' | 'detached' | 'disabled';
  readonly rpmdb?: 'target' | 'host' | 'bdb' | 'ndb' | 'sqlite';
  readonly 'rpmdb-normalize'?: boolean;
  readonly 'container-cmd'?: readonly string[];
  /**
   * Never written in a treefile: absolute paths of the executables in `finalize.d` folders beside the treefiles, in the
   * order to run.
   */
  readonly 'finalize.d'?: readonly string[];
}

export type KeyName = keyof TreefileValues;

const metadataTarget = oneOf('inline', 'detached', 'disabled');

/** Every key of rpm-ostree 2018.7 to 2026.2 that has a value after flattening, in rpm-ostree's own order of writing. */
export const KEYS = {
  packages: names({ split: true }),
  'repo-packages': list(repoPackages),
  cliwrap: plain(flag, { neutral: false }),
  'cliwrap-binaries': list(text, { named: true }),
  edition: plain(oneOf('2014', '2024'), { role: 'reader' }),
  ref: plain(text),
  metadata: mapOf(anyJson, { role: 'reader' }),
  basearch: plain(text, { role: 'reader' }),
  variables: mapOf(variable, { role: 'reader' }),
  repovars: mapOf(text),
  rojig: plain(rojig),
  repos: list(text, { named: true }),
  'lockfile-repos': list(text, { named: true }),
  selinux: plain(flag),
  'ignore-devices': plain(flag),
  'selinux-label-version': plain(count, { neutral: 0 }),
  sysusers: plain(oneOf('compose-auto', 'compose-forced')),
  ima: plain(flag, { neutral: false }),
  'gpg-key': plain(text, { alias: 'gpg_key' }),
  'ostree-layers': list(text, { named: true }),
  'ostree-override-layers': list(text, { named: true }),
  'exclude-packages': list(text, { named: true }),
  'platform-module': plain(text),
  container: plain(flag, { neutral: false }),
  recommends: plain(flag),
  documentation: plain(flag),
  'install-langs': list(text, { named: true }),
  'initramfs-args': list(text),
  'no-initramfs': plain(flag, { neutral: false }),
  'readonly-executables': plain(flag, { neutral: false }),
  'boot-location': plain(oneOf('new', 'modules', 'kernel-install'), { alias: 'boot_location' }),
  'tmp-is-dir': plain(flag),
  'opt-usrlocal': plain(oneOfWithOld(['var', 'root', 'state-overlay'], { stateoverlay: 'state-overlay' }), {
    neutral: 'var',
  }),
  units: list(text, { named: true }),
  'default-target': plain(text, { alias: 'default_target' }),
  'machineid-compat': plain(flag),
  releasever: plain(textOrCount),
  'automatic-version-prefix': plain(text, { alias: 'automatic_version_prefix' }),
  'automatic-version-suffix': plain(text),
  'mutate-os-release': plain(text),
  'etc-group-members': list(text, { named: true }),
  'preserve-passwd': plain(flag),
  'check-passwd': plain(checkPasswd),
  'check-groups': plain(checkGroups),
  'ignore-removed-users': names(),
  'ignore-removed-groups': names(),
  'postprocess-script': plain(text),
  postprocess: list(text),
  'add-files': list(addFile),
  'remove-files': list(text, { named: true }),
  'remove-from-packages': list(removeFromPackage),
  'add-commit-metadata': mapOf(anyJson),
  'repo-metadata': plain(metadataTarget),
  'advisories-metadata': plain(metadataTarget),
  rpmdb: plain(oneOfWithOld(['target', 'host', 'bdb', 'ndb', 'sqlite'], { 'b-d-b': 'bdb', 'n-d-b': 'ndb' })),
  'rpmdb-normalize': plain(flag, { neutral: false }),
  'container-cmd': plain(texts),
  'finalize.d': list(text, { role: 'made' }),
} satisfies { readonly [K in KeyName]-?: KeySpec<NonNullable<TreefileValues[K]>> };

/** The names above, in their order. */
export const KEY_NAMES = Object.keys(KEYS) as readonly KeyName[];

/** Returns the behaviour of a key. */
export function keySpec(key: KeyName): KeySpec<unknown> {
  return KEYS[key];
}

/** Keys that steer reading and are gone afterwards. */
export const INCLUDE_KEYS = ['include', 'arch-include', 'conditional-include'] as const;

/** Older names of `packages`; both may stand in one file, they add up. */
export const OLD_PACKAGE_KEYS = ['bootstrap-packages', 'bootstrap_packages'] as const;

/** Known to rpm-ostree, but only on a host that layers packages; `compose tree` refuses them. */
export const CLIENT_KEYS: readonly string[] = [
  'base-refspec',
  'container-image-reference',
  'packages-local',
  'packages-local-fileoverride',
  'override-remove',
  'ex-override-replace',
  'override-replace-local',
  'initramfs',
  'custom',
  'override-commit',
  'unconfigured-state',
];

/** Keys that rpm-ostree once had, and what became of them. */
export const REMOVED_KEYS: Readonly<Record<string, string>> = {
  modules: 'rpm-ostree has dropped modularity; list the packages themselves under "packages"',
};

/** Base architectures of rpm distributions: what may follow `packages-` and stand under `arch-include`. */
export const BASE_ARCHES: readonly string[] = [
  'aarch64',
  'alpha',
  'arm',
  'armhfp',
  'i386',
  'ia64',
  'loongarch64',
  'mips',
  'mipsel',
  'mips64',
  'mips64el',
  'noarch',
  'ppc',
  'ppc64',
  'ppc64le',
  'riscv32',
  'riscv64',
  's390',
  's390x',
  'sh3',
  'sh4',
  'sparc',
  'x86_64',
];
