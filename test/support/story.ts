import { appendFile, copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { serveFolder } from '../../src/lab/webserver.ts';
import type { BuildMeta } from '../../src/run/meta.ts';
import type { StaticServer } from '../../src/tools/nginx.ts';
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
  /** Keeps a copy of a file where the environment variable E2E_OUTPUT says, if it does. */
  keep(file: string, name: string): Promise<void>;
  stop(): Promise<void>;
}

export interface StorySettings {
  /** Of the nights; a release always has its generic-cloud image. */
  readonly nightImages: readonly string[];
  /** Of the SMTP server; without one the mail of a release stays in its file. */
  readonly smtpPort?: number;
}

type Site = 'buildlogs' | 'staging' | 'mirror' | 'cloud';

const SITES: readonly Site[] = ['buildlogs', 'staging', 'mirror', 'cloud'];

/** Of the week that ends today: the day on which a candidate is due, counted from 1. */
const DUE_DAY = 4;

const CLOCK = new URL('clock.mjs', import.meta.url).href;

/** Prepares a folder, which the caller removes, and starts its web servers. The lab and the keys are not made yet. */
export async function makeStory(dir: string): Promise<Story> {
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
    const env = days === 0 ? {} : { NODE_OPTIONS: `--import=${CLOCK}`, CLOCK_DAYS: String(days) };
    const result = await runCli(dir, args, env);
    const seconds = (from: number) => `${((Date.now() - from) / 1000).toFixed(1)} s`;
    const said = `${result.stderr}${result.stdout}`.trimEnd();
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
      writeFile(join(dir, 'atomic-nightly.yaml'), configText(dir, sites, firstCandidate, settings)),
    ask,
    builds: async () => (await ask<BuildMeta[]>('list')).toReversed(),
    async keep(file, name) {
      if (output !== undefined) await copyFile(file, join(output, name));
    },
    async stop() {
      await Promise.all(SITES.map((name) => sites[name].stop()));
    },
  };
}

const quoted = (argument: string): string => (/^[\w./:=^~+@-]+$/.test(argument) ? argument : `'${argument}'`);

function configText(
  dir: string,
  sites: Story['sites'],
  firstCandidate: string,
  { nightImages, smtpPort }: StorySettings,
): string {
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
    images: [${nightImages.join(', ')}]
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
    approvals: 1
    cycle: {start: ${firstCandidate}, weeks: 4, upstream: {weeks: 2, id: '43.{date}.0'}}
    release:
      tree: [mirror]
      images: [cloud]
      known-issues: known-issues.md
      mail: {from: sig@lab.invalid, to: [announce@lab.invalid]${smtp}}
`;
}
