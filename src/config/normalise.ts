import { resolve } from 'node:path';
import { NightlyError } from '../base/errors.ts';
import { trustAt } from '../base/http.ts';
import type {
  Architecture,
  Config,
  EngineConfig,
  SigningConfig,
  SmokeTestConfig,
  SshConfig,
  StreamConfig,
  TargetConfig,
  TargetRetention,
} from './config.ts';
import { durationSeconds } from './duration.ts';
import { normaliseNotify } from './notify.ts';
import { normaliseRelease } from './release.ts';
import { normaliseReleasePackage } from './release-package.ts';
import type { RawConfig, RawSigning, RawStream, RawTarget } from './schema.ts';
import { normaliseSchedule, normaliseService } from './service.ts';

/** Fills in every default and makes every path absolute. `raw` has passed the schema and the rules. */
export function normalise(raw: RawConfig, path: string, folder: string): Omit<Config, 'placeOf'> {
  const templates = raw['image-templates'];
  const targets = mapValues(raw.targets, (target, name) => normaliseTarget(target, name, folder));
  return {
    path,
    name: raw.name,
    work: resolve(folder, raw.work),
    engine: normaliseEngine(raw.engine),
    ...(templates === undefined ? {} : { imageTemplates: resolve(folder, templates) }),
    targets,
    streams: mapValues(raw.streams, (stream, name) =>
      normaliseStream(withSource(stream, raw.streams), name, raw.name, targets, folder),
    ),
    notify: normaliseNotify(raw.notify, raw.name, folder),
    service: normaliseService(raw.service, folder),
  };
}

/** `user@host:/path` goes over ssh, `rsync://…` to a daemon. */
export function isSshDestination(destination: string): boolean {
  return !destination.startsWith('rsync://');
}

/** Replaces `${basearch}`, as rpm-ostree does in a treefile's ref. */
export function substituteBasearch(text: string, arch: string): string {
  return text.replaceAll(/\$\{basearch\}/g, arch);
}

/** This machine's architecture by RPM's name. @throws NightlyError `unsupported` on one that has no Atomic host. */
export function hostArchitecture(): Architecture {
  const names: Readonly<Record<string, Architecture>> = {
    x64: 'x86_64',
    arm64: 'aarch64',
    ppc64: 'ppc64le',
    s390x: 's390x',
  };
  const name = names[process.arch];
  if (name === undefined) {
    throw new NightlyError('unsupported', `Nothing is composed for this machine's architecture (${process.arch}).`, {
      hint: 'Set "arch" in each stream to x86_64, aarch64, ppc64le or s390x.',
    });
  }
  return name;
}

function normaliseEngine(raw: RawConfig['engine']): EngineConfig {
  if (typeof raw !== 'string') {
    const [program = 'rpm-ostree', ...args] = raw.command;
    return { type: 'rpm-ostree', command: [program, ...args] };
  }
  return raw === 'rpm-ostree' ? { type: raw, command: ['rpm-ostree'] } : { type: raw };
}

function normaliseTarget(raw: RawTarget, name: string, folder: string): TargetConfig {
  const caFile = raw['ca-file'] === undefined ? undefined : resolve(folder, raw['ca-file']);
  if (caFile !== undefined) trustAt(raw.url, caFile);
  const common = {
    name,
    url: trimSlashes(raw.url),
    ...(caFile === undefined ? {} : { caFile }),
    ...(raw.retention === undefined ? {} : { retention: normaliseRetention(raw.retention) }),
    ...(raw.pages ? {} : { pages: false as const }),
  };
  switch (raw.type) {
    case 'directory':
      return { ...common, type: raw.type, path: resolve(folder, raw.path) };
    case 'ssh':
      return { ...common, type: raw.type, destination: trimPath(raw.destination), ssh: normaliseSsh(raw.ssh, folder) };
    case 's3': {
      const { type, bucket, prefix = '', region, parallel, endpoint } = raw;
      const server = endpoint === undefined ? {} : { endpoint: trimSlashes(endpoint) };
      return { ...common, type, bucket, prefix, region, parallel, ...server };
    }
    case 'rsync': {
      const password = raw['password-file'];
      const limit = raw['bandwidth-limit'];
      return {
        ...common,
        type: raw.type,
        destination: trimPath(raw.destination),
        ssh: normaliseSsh(raw.ssh, folder),
        ...(password === undefined ? {} : { passwordFile: resolve(folder, password) }),
        ...(limit === undefined ? {} : { bandwidthLimit: limit }),
      };
    }
  }
}

function normaliseSsh(raw: Extract<RawTarget, { type: 'ssh' }>['ssh'], folder: string): SshConfig {
  const identity = raw?.['identity-file'];
  const knownHosts = raw?.['known-hosts-file'];
  return {
    ...(identity === undefined ? {} : { identityFile: resolve(folder, identity) }),
    ...(knownHosts === undefined ? {} : { knownHostsFile: resolve(folder, knownHosts) }),
    ...(raw?.port === undefined ? {} : { port: raw.port }),
  };
}

function normaliseRetention(raw: NonNullable<RawTarget['retention']>): TargetRetention {
  const { images, logs, grace } = raw;
  return {
    refs: Object.entries(raw.refs).map(([pattern, { depth, age }]) => ({
      pattern,
      ...(depth === undefined ? {} : { depth }),
      ...(age === undefined ? {} : { ageSeconds: durationSeconds(age) }),
    })),
    graceSeconds: durationSeconds(grace),
    ...(images === undefined ? {} : { imagesSeconds: durationSeconds(images) }),
    ...(logs === undefined ? {} : { logsSeconds: durationSeconds(logs) }),
  };
}

/** Takes the slashes off the end of `host:/path`, but for that of `host:/`. */
function trimPath(destination: string): string {
  return destination.replace(/(?<=[^/:])\/+$/, '');
}

/** A release stream with the treefile and architecture of the stream it is fed from. */
function withSource(stream: RawStream, streams: Readonly<Record<string, RawStream>>): RawStream {
  const source = streams[stream['promotes-from'] ?? ''];
  if (source === undefined) return stream;
  return { ...stream, treefile: source.treefile, arch: stream.arch ?? source.arch };
}

function normaliseStream(
  raw: RawStream,
  name: string,
  product: string,
  targets: Readonly<Record<string, TargetConfig>>,
  folder: string,
): StreamConfig {
  const [first = '', ...others] = raw.targets;
  const repoUrl = `${targets[first]?.url ?? ''}/repo`;
  const arch = raw.arch ?? hostArchitecture();
  const age = raw['max-metadata-age'];
  const tested = raw['tested-ref'];
  const release = normaliseRelease(raw, folder);
  const ownPackage = raw['release-package'];
  const signing = raw.signing && normaliseSigning(raw.signing, folder);
  return {
    name,
    ...(release === undefined ? {} : { release }),
    treefile: resolve(folder, raw.treefile ?? ''),
    ...(raw.ref === undefined ? {} : { ref: substituteBasearch(raw.ref, arch) }),
    arch,
    seed: {
      url: trimSlashes(raw.seed.url ?? repoUrl),
      allowNew: raw.seed['allow-new'],
      gpgKeys: raw.seed['gpg-keys'].map((key) => resolve(folder, key)),
    },
    targets: [first, ...others],
    remote: { name: raw.remote.name ?? product, url: trimSlashes(raw.remote.url ?? repoUrl) },
    osName: raw['os-name'] ?? product,
    images: raw.images,
    imagePrefix: raw['image-prefix'] ?? product,
    vagrantBox: raw['vagrant-box'] ?? `${product}-${name}`,
    ...(tested === undefined ? {} : { testedRef: substituteBasearch(tested, arch) }),
    smokeTest: normaliseSmokeTest(raw),
    allowDowngrades: raw['allow-downgrades'],
    ...(age === undefined ? {} : { maxMetadataAgeSeconds: durationSeconds(age) }),
    ...(signing === undefined ? {} : { signing }),
    deltas: raw.deltas.map((from) => (typeof from === 'string' ? from : { ref: substituteBasearch(from.ref, arch) })),
    ...(ownPackage === undefined ? {} : { releasePackage: normaliseReleasePackage(ownPackage, folder) }),
    retention: raw.retention,
    ...(raw.schedule === undefined ? {} : { schedule: normaliseSchedule(raw.schedule) }),
  };
}

function normaliseSigning(raw: NonNullable<RawStream['signing']>, folder: string): StreamConfig['signing'] {
  const [first, ...others] = [raw].flat().map((one) => normaliseKey(one, folder));
  return first && [first, ...others];
}

function normaliseKey(raw: RawSigning, folder: string): SigningConfig {
  const [first, ...others] = raw.subkeys?.map((one) => one.toUpperCase()) ?? [];
  return { ...normaliseSigner(raw, folder), ...(first === undefined ? {} : { subkeys: [first, ...others] as const }) };
}

function normaliseSigner(raw: RawSigning, folder: string): SigningConfig {
  const { type } = raw;
  switch (type) {
    case 'gpg-agent': {
      const home = raw.home === undefined ? {} : { home: resolve(folder, raw.home) };
      return { type, key: raw.key.toUpperCase(), ...home };
    }
    case 'openpgp': {
      const { 'passphrase-file': file, 'passphrase-env': env, 'passphrase-credential': credential } = raw;
      const keyFile = resolve(folder, raw['key-file']);
      if (file !== undefined) return { type, keyFile, passphrase: { file: resolve(folder, file) } };
      if (env !== undefined) return { type, keyFile, passphrase: { env } };
      return credential === undefined ? { type, keyFile } : { type, keyFile, passphrase: { credential } };
    }
    case 'command': {
      const [program = '', ...args] = raw.command;
      const { timeout: timeoutSeconds, retries } = raw;
      // Relative to this file, as all paths are; a bare name is looked for on PATH.
      const command = [program.includes('/') ? resolve(folder, program) : program, ...args] as const;
      return { type, command, publicKeyFile: resolve(folder, raw['public-key-file']), timeoutSeconds, retries };
    }
  }
}

function normaliseSmokeTest(raw: RawStream): false | SmokeTestConfig {
  const smoke = raw['smoke-test'];
  if (smoke === false) return false;
  return {
    images: smoke.images ?? raw.images,
    timeoutSeconds: smoke.timeout,
    allowDegraded: smoke['allow-degraded'],
  };
}

function trimSlashes(url: string): string {
  return url.replace(/\/+$/, '');
}

function mapValues<In, Out>(
  record: Readonly<Record<string, In>>,
  change: (value: In, name: string) => Out,
): Record<string, Out> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, change(value, name)]));
}
