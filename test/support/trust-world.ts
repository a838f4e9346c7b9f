import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { sha256 } from '../../src/base/files.ts';
import type { Config } from '../../src/config/config.ts';
import { loadConfig } from '../../src/config/load.ts';
import { rebuildFolder } from '../../src/rebuild/rebuild-folder.ts';
import { type RebuildConfig, readRebuildRecords } from '../../src/rebuild/rebuild-records.ts';
import { type RebuildResult, signedText } from '../../src/rebuild/result.ts';
import type { JudgedResult } from '../../src/rebuild/standings.ts';
import { readPackageIdentity } from '../../src/rpm/package-identity.ts';
import { type Accepted, acceptResult } from '../../src/steps/rebuild/accept-result.ts';
import { testTask } from './tmp.ts';

/** Machines of the world, with their operators. */
export const MACHINES = {
  alpha: 'one.example',
  beta: 'two.example',
  gamma: 'three.example',
  delta: 'two.example',
} as const;

export type Machine = keyof typeof MACHINES;

/** What a builder hands in; the rest is as it should be. */
export interface Submission {
  readonly builder: Machine;
  /** RPM files that it built; none: it failed. */
  readonly rpms: readonly string[];
  readonly job?: string;
  readonly duplicateOf?: string;
  readonly scratch?: boolean;
  /** Seconds since 1970; default: that of the world. */
  readonly at?: number;
  /** Source package, by what is its content; default: the same for all. */
  readonly source?: string;
  readonly root?: string;
  /** Whose key signs; default: the builder's own. */
  readonly signedBy?: KeyObject;
}

/** A configuration with builders of three operators, and what they hand in. */
export interface RebuildWorld {
  readonly dir: string;
  readonly configFile: string;
  readonly config: Config & RebuildConfig;
  readonly keys: Readonly<Record<Machine, KeyObject>>;
  /** Puts the files where a job has them. */
  result(submission: Submission): Promise<RebuildResult>;
  /** Hands a result in, as the pipeline does. */
  submit(submission: Submission): Promise<Accepted & { readonly result: RebuildResult }>;
  /** All results as they are judged from disk. */
  judged(): Promise<readonly JudgedResult[]>;
}

/** 2026-11-21, 12:00 UTC. */
export const NOON = 1_795_262_400;

const ROOT = 'ab'.repeat(32);

interface BuildersOptions {
  /** Share of the results that are built twice, by level; default: none. */
  readonly rates?: string;
  /** More lines of the block `builders`. */
  readonly more?: string;
}

/** Writes the keys of builders and our own into a folder. @returns the block `builders` of a configuration there */
export function writeBuilders(
  dir: string,
  { rates = '{new: 0, proven: 0, sponsor: 0}', more = '' }: BuildersOptions = {},
): { readonly block: string; readonly keys: RebuildWorld['keys'] } {
  const pair = () => generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const pairs = Object.fromEntries(Object.keys(MACHINES).map((name) => [name, pair()]));
  const write = (name: string, text: string, mode = 0o644) => writeFileSync(join(dir, name), text, { mode });
  write('own.pem', String(pair().privateKey.export({ type: 'pkcs8', format: 'pem' })), 0o600);
  write('good.repo', '');
  const machines = Object.entries(MACHINES).map(([name, operator], index) => {
    write(`${name}.pem`, String(pairs[name]?.publicKey.export({ type: 'spki', format: 'pem' })));
    const hostKey = `ssh-ed25519 ${String.fromCharCode(65 + index).repeat(68)}`;
    return `    - {name: ${name}, operator: ${operator}, ssh: {host: 127.0.0.1, host-key: '${hostKey}'}, arch: [x86_64, noarch], statement-key: ${name}.pem}`;
  });
  const block = `builders:
  machines:
${machines.join('\n')}
  known-good: [good.repo]
  rates: ${rates}
  statement: {verifier: 'https://rebuilds.example.org', key: {type: key-file, key-file: ./own.pem}}
${more}`;
  const keys = Object.fromEntries(Object.entries(pairs).map(([name, one]) => [name, one.privateKey]));
  return { block, keys: keys as RebuildWorld['keys'] };
}

/** A distribution that only has builders. @param url of the target, whose folder is `published` */
export async function rebuildWorld(
  dir: string,
  {
    url = 'http://127.0.0.1:1',
    top = '',
    ...options
  }: BuildersOptions & { readonly url?: string; readonly top?: string } = {},
): Promise<RebuildWorld> {
  const { block, keys } = writeBuilders(dir, options);
  writeFileSync(join(dir, 'host.yaml'), '{ref: lab/x86_64/nightly, packages: [hello]}');
  const configFile = join(dir, 'atomic-nightly.yaml');
  const targets = `targets: {mirror: {type: directory, path: ./published, url: '${url}'}}`;
  writeFileSync(
    configFile,
    `name: lab\nwork: ./work\n${targets}\nstreams: {nightly: {treefile: host.yaml, targets: [mirror]}}\n${block}${top}`,
  );
  return openRebuildWorld(dir, configFile, keys);
}

/** Opens a configuration that has the builders of `writeBuilders`. */
export async function openRebuildWorld(
  dir: string,
  configFile: string,
  keys: RebuildWorld['keys'],
): Promise<RebuildWorld> {
  const loaded = await loadConfig(configFile);
  if (!loaded.builders) throw new Error('the configuration has no builders');
  const config = { ...loaded, builders: loaded.builders };

  const result = async (given: Submission): Promise<RebuildResult> => {
    const {
      builder,
      rpms,
      job = randomBytes(16).toString('hex'),
      at = NOON,
      source = 'source',
      scratch = false,
    } = given;
    const folder = join(rebuildFolder(config.work), 'jobs', job, 'attempt-1', 'packages');
    mkdirSync(folder, { recursive: true });
    const packages = [];
    for (const rpm of rpms) {
      const { nevra, header, sha256: digest, size } = await readPackageIdentity(rpm);
      const file = `${nevra.replace(/-\d+:/, '-')}.rpm`;
      copyFileSync(rpm, join(folder, file));
      packages.push({ file, nevra, header, sha256: digest, size });
    }
    const text = signedText(
      job,
      packages.map((one) => one.sha256),
    );
    return {
      resultVersion: 1,
      ...{ job, source: { nevra: 'hello-1.0-1.src', sha256: sha256(source) }, builder, operator: MACHINES[builder] },
      ...{ root: given.root ?? ROOT, arch: 'x86_64', scratch, startedAt: at - 60, finishedAt: at },
      ...(given.duplicateOf !== undefined && { duplicateOf: given.duplicateOf }),
      ...{ outcome: rpms.length > 0 ? 'built' : 'failed', packages },
      ...{ log: { path: 'attempt-1/log', sha256: sha256(`log of ${job}`) }, probe: sha256('probe') },
      signature: sign('sha256', Buffer.from(text), given.signedBy ?? keys[builder]).toString('base64'),
    };
  };
  return {
    ...{ dir, configFile, config, keys, result },
    async submit(given) {
      const made = await result(given);
      return { ...(await acceptResult(config, made, testTask(dir), given.at ?? NOON)), result: made };
    },
    judged: async () => (await readRebuildRecords(config)).judged,
  };
}
