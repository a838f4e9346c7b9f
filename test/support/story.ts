import { appendFile, copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { BuildMeta } from '../../src/build/build-record.ts';
import { run } from '../../src/programs/exec.ts';
import { gpgExport, gpgFingerprint, gpgStopAgent } from '../../src/programs/gpg.ts';
import { metaOf } from './build-meta.ts';
import type { StaticServer } from './nginx.ts';
import { serveFolder } from './nginx.ts';
import { testTask } from './tmp.ts';
import { type CliResult, runCli } from './world.ts';

/** The lab distribution with a nightly and a release stream, each of its targets behind a web server of its own. */
export interface Story {
  readonly dir: string;
  readonly sites: Readonly<Record<Site, StaticServer>>;
  /** Writes the configuration as it is from now on. */
  configure(settings: StorySettings): Promise<void>;
  /** Runs the program in the story's folder; what it says goes into the transcript. */
  cli(...args: readonly string[]): Promise<CliResult>;
  /** The same, so many days from now (before: negative). */
  cliOn(days: number, ...args: readonly string[]): Promise<CliResult>;
  /** What a command prints with `--json`; it must succeed, and stays out of the transcript. */
  ask<Answer>(...args: readonly string[]): Promise<Answer>;
  /** Records of all builds, oldest first. */
  builds(): Promise<BuildMeta[]>;
  /** Adds to the transcript. */
  tell(text: string): Promise<void>;
  /** Adds the repositories of the streams' release packages to the lab's treefile. */
  addRepositories(): Promise<void>;
  /** Keeps a copy of a file where the environment variable E2E_OUTPUT says, if it does. */
  keep(file: string, name: string): Promise<void>;
  stop(): Promise<void>;
}

export interface StorySettings {
  /** Whether the nightly stream gets a generic-cloud image; the release stream's is booted before it is called tested. */
  readonly images: readonly 'nightly'[];
  /** Of the SMTP server; without one the mail of a release stays in its file. */
  readonly smtpPort?: number;
}

type Site = 'buildlogs' | 'staging' | 'mirror' | 'cloud';

const SITES: readonly Site[] = ['buildlogs', 'staging', 'mirror', 'cloud'];

/** Of the week that ends today: the day on which a candidate is due, counted from 1. */
const DUE_DAY = 4;

/** Lines such as `lab-build: 12/198 packages`, of which there are many. */
const PROGRESS = /^ +\S+: [\d.]+(\/| MB of )\S+ \w+\n/gm;

const CLOCK = new URL('clock.mjs', import.meta.url).href;

/** Names of the release packages; the lab's treefile has that of the nightly. */
export const PACKAGES = { nightly: 'lab-atomic-remote-nightly', release: 'lab-atomic-remote' } as const;

/**
 * Prepares a folder, which the caller removes, starts its web servers, and makes the key of the nights. The lab and the key
 * of the releases (in `keys/`) are not made yet.
 */
export async function makeStory(dir: string): Promise<Story> {
  const nightKey = await makeNightKey(dir);
  const servers = await Promise.all(
    SITES.map(async (name) => {
      const root = join(dir, 'www', name);
      await mkdir(root, { recursive: true });
      return [name, await serveFolder({ root })] as const;
    }),
  );
  const sites = Object.fromEntries(servers) as Record<Site, StaticServer>;
  const began = Date.now();
  const output = process.env['E2E_OUTPUT'];
  if (output !== undefined) await mkdir(output, { recursive: true });
  const transcript = join(output ?? dir, 'transcript.txt');
  await writeFile(transcript, '');
  const tell = async (text: string): Promise<void> => {
    console.log(text);
    await appendFile(transcript, `${text}\n`);
  };
  const cliOn = async (days: number, ...args: readonly string[]): Promise<CliResult> => {
    const since = Date.now();
    const env =
      days === 0
        ? {}
        : { NODE_OPTIONS: `--import=${CLOCK}`, CLOCK_DAYS: String(days), ATOMIC_NIGHTLY_TRUST_CLOCK: '1' };
    const result = await runCli(dir, args, env);
    const seconds = (from: number) => `${((Date.now() - from) / 1000).toFixed(1)} s`;
    const said = `${result.stderr}${result.stdout}`.replace(PROGRESS, '').trimEnd();
    const how = `exit code ${result.code} after ${seconds(since)} [${seconds(began)}]`;
    await tell(`$ atomic-nightly ${args.map(quoted).join(' ')}\n${said}\n${how}\n`);
    return result;
  };
  const ask = async <Answer>(...args: readonly string[]): Promise<Answer> => {
    const { code, stdout, stderr } = await runCli(dir, [...args, '--json']);
    if (code !== 0) throw new Error(`${args.join(' ')} ended with ${code}:\n${stderr}`);
    return JSON.parse(stdout) as Answer;
  };
  const firstCandidate = new Date(began + (DUE_DAY - 7) * 86_400_000).toISOString().slice(0, 10);
  return {
    dir,
    sites,
    tell,
    cliOn,
    cli: (...args) => cliOn(0, ...args),
    configure: (settings) =>
      writeFile(join(dir, 'atomic-nightly.yaml'), configText({ dir, sites, nightKey, firstCandidate }, settings)),
    ask,
    builds: async () => (await ask<unknown[]>('list')).map(metaOf).toReversed(),
    addRepositories: () => addRepositories(dir),
    async keep(file, name) {
      if (output !== undefined) await copyFile(file, join(output, name));
    },
    async stop() {
      await Promise.all(SITES.map((name) => sites[name].stop()));
      await gpgStopAgent(join(dir, 'gnupg'), testTask(dir));
    },
  };
}

const quoted = (argument: string): string => (/^[\w./:=^~+@-]+$/.test(argument) ? argument : `'${argument}'`);

/** A key that the first night, six days ago, can sign with. @returns its fingerprint */
async function makeNightKey(dir: string): Promise<string> {
  const home = join(dir, 'gnupg');
  await mkdir(home, { mode: 0o700 });
  const lastMonth = new Date(Date.now() - 30 * 86_400_000).toISOString().slice(0, 10).replaceAll('-', '');
  const clock = ['--faked-system-time', `${lastMonth}T000000`];
  const make = ['--passphrase', '', '--quick-generate-key', 'Lab nightlies <nightly@lab.invalid>', 'rsa2048', 'sign'];
  await run('gpg', ['--homedir', home, '--batch', '--no-tty', '--quiet', ...clock, ...make, 'never']);
  const fingerprint = await gpgFingerprint(home, testTask(dir));
  await writeFile(join(dir, 'nightly.asc'), await gpgExport(home, fingerprint, testTask(dir)));
  return fingerprint;
}

async function addRepositories(dir: string): Promise<void> {
  const url = (path: string): string => pathToFileURL(join(dir, path)).href;
  const section = (stream: string, key: string) =>
    `[sig-${stream}]\nname=SIG, ${stream}\nbaseurl=${url(`sig/${stream}`)}\nenabled=1\ngpgcheck=1\ngpgkey=${url(key)}\n`;
  const sections = [section('nightly', 'nightly.asc'), section('release', 'keys/signing.asc')];
  await writeFile(join(dir, 'lab/sig.repo'), sections.join('\n'));
  const treefile = join(dir, 'lab/lab-atomic-host.yaml');
  const text = await readFile(treefile, 'utf8');
  await writeFile(treefile, text.replace('  - lab-sig-atomic\n', '$&  - sig-nightly\n  - sig-release\n'));
}

interface Scene {
  readonly dir: string;
  readonly sites: Story['sites'];
  /** Fingerprint. */
  readonly nightKey: string;
  /** Day on which it is due. */
  readonly firstCandidate: string;
}

function configText({ dir, sites, nightKey, firstCandidate }: Scene, { images, smtpPort }: StorySettings): string {
  const target = (name: Site) => `{type: directory, path: ${join(dir, 'www', name)}, url: '${sites[name].url}'}`;
  const smtp = smtpPort === undefined ? '' : `, smtp: {host: 127.0.0.1, port: ${smtpPort}, security: none}`;
  return `name: lab-atomic-host
work: ./work
targets:
${SITES.map((name) => `  ${name}: ${target(name)}\n`).join('')}
streams:
  nightly:
    treefile: lab/lab-atomic-host.yaml
    ref: lab-atomic-host/\${basearch}/nightly
    seed: {allow-new: true}
    targets: [buildlogs]
    remote: {name: lab-atomic}
    images: [${images.includes('nightly') ? 'generic-cloud' : ''}]
    signing: {type: gpg-agent, home: gnupg, key: ${nightKey}}
    release-package: {name: ${PACKAGES.nightly}, version: '13', repository: sig/nightly}
  release:
    promotes-from: nightly
    ref: lab-atomic-host/\${basearch}/release
    seed: {allow-new: true}
    targets: [staging]
    remote: {name: lab-atomic-release, url: '${sites.mirror.url}/repo'}
    images: [generic-cloud]
    smoke-test: {timeout: 900}
    deltas: [parent]
    signing: {type: openpgp, key-file: keys/signing.key, passphrase-file: passphrase}
    release-package: {name: ${PACKAGES.release}, version: '13', repository: sig/release}
    approvals: 1
    cycle: {start: ${firstCandidate}, weeks: 4, upstream: {weeks: 2, id: '43.{date}.0'}}
    release:
      tree: [mirror]
      images: [cloud]
      known-issues: known-issues.md
      mail: {from: sig@lab.invalid, to: [announce@lab.invalid]${smtp}}
`;
}
