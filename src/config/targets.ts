import { resolve } from 'node:path';
import { z } from 'zod';
import { hasPassword } from '../base/url-text.ts';
import { within } from '../base/within.ts';
import { block, type Here } from './block.ts';
import type { Breach, WrittenAt } from './breach.ts';
import { targetRetention } from './retention.ts';
import { checkServed, serveTarget } from './serve-target.ts';
import { filePath, httpUrl } from './values.ts';

const sshOptions = (here: Here) =>
  block({
    'identity-file': filePath(here).optional().describe('Private key; default: what ssh itself would use.'),
    'known-hosts-file': filePath(here).optional().describe('Host keys to trust; default: what ssh itself would use.'),
    port: z.int().min(1).max(65535).optional(),
  }).describe('How ssh connects.');

/** What is left out is as ssh itself has it. */
export type SshConfig = z.output<ReturnType<typeof sshOptions>>;

/** Takes the slashes off the end of `host:/path`, but for that of `host:/`. */
function trimPath(destination: string): string {
  return destination.replace(/(?<=[^/:])\/+$/, '');
}

/** The keys that every target has after its own; `clientsRead` says where its url leads. */
const anyTarget = (here: Here, clientsRead: string) => ({
  url: httpUrl.describe(`Where clients read ${clientsRead}; "verify" pulls from it.`),
  'ca-file': filePath(here)
    .optional()
    .describe('Certificates (PEM) that vouch for the url, and for the endpoint of S3; default: those of the system.'),
  retention: targetRetention.optional(),
  pages: z
    .boolean()
    .default(true)
    .describe('Whether index.html, a page for each build and a feed are put there for people.')
    .transform((wanted) => (wanted ? undefined : (false as const))),
});

const directoryTarget = (here: Here) =>
  block({
    type: z.literal('directory'),
    path: filePath(here).describe('The folder a web server publishes; it will hold repo/ and builds/.'),
    serve: serveTarget,
    ...anyTarget(here, 'that folder'),
  });

const rsyncTarget = (here: Here) =>
  block({
    type: z.literal('rsync'),
    destination: z
      .string()
      .regex(
        /^(rsync:\/\/[^\s/]+\/[^\s/]+(\/\S*)?|([^\s@:/]+@)?([^\s@:/]+|\[[0-9A-Fa-f:.]+\]):\/\S*)$/,
        'must be user@host:/absolute/path (over ssh) or rsync://host/module/path (rsync daemon)',
      )
      .refine((text) => !hasPassword(text), { error: 'must not hold a password; name a password-file' })
      .transform(trimPath),
    ssh: sshOptions(here)
      .optional()
      .describe('Only for the user@host:/path form.')
      .transform((ssh): SshConfig => ssh ?? {}),
    'password-file': filePath(here)
      .optional()
      .describe('Only for the rsync:// form: a file with the password alone, readable by its owner only.'),
    'bandwidth-limit': z
      .string()
      .regex(/^\d+(\.\d+)?[KMG]?$/, 'must be a number with an optional K, M or G (bytes a second; plain is KiB)')
      .optional(),
    ...anyTarget(here, 'the destination'),
  });

const sshTarget = (here: Here) =>
  block({
    type: z.literal('ssh'),
    destination: z
      .string()
      .regex(/^([^\s@:/]+@)?([^\s@:/]+|\[[0-9A-Fa-f:.]+\]):\/\S*$/, 'must be user@host:/absolute/path')
      .describe('The account there needs a shell with GNU tar, coreutils and flock.')
      .transform(trimPath),
    ssh: sshOptions(here)
      .optional()
      .transform((ssh): SshConfig => ssh ?? {}),
    ...anyTarget(here, 'the destination'),
  });

const s3Target = (here: Here) =>
  block({
    type: z.literal('s3'),
    bucket: z.string().regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, 'must be the name of a bucket'),
    prefix: z
      .string()
      .regex(/^[\w.-]+(\/[\w.-]+)*$/, 'must be words joined by "/"')
      .optional()
      .describe('Folder in the bucket; default: its top.')
      .transform((prefix) => prefix ?? ''),
    endpoint: httpUrl.optional().describe('Default: that of AWS. Another server is addressed as ENDPOINT/BUCKET.'),
    region: z.string().min(1).default('us-east-1'),
    parallel: z.int().min(1).max(256).default(32).describe('Requests under way at the same time.'),
    ...anyTarget(here, 'the bucket and prefix'),
  });

/** Makes the schema of one of the `targets`. */
export const targetSchema = (here: Here) =>
  z.discriminatedUnion('type', [directoryTarget(here), rsyncTarget(here), sshTarget(here), s3Target(here)]);

type Nameless = z.output<ReturnType<typeof targetSchema>>;
type Named<Target> = Target extends unknown ? Target & { readonly name: string } : never;

/** A place to publish to. */
export type TargetConfig = Named<Nameless>;
export type DirectoryTargetConfig = Extract<TargetConfig, { type: 'directory' }>;
export type RsyncTargetConfig = Extract<TargetConfig, { type: 'rsync' }>;
export type SshTargetConfig = Extract<TargetConfig, { type: 'ssh' }>;
export type S3TargetConfig = Extract<TargetConfig, { type: 's3' }>;

/** `user@host:/path` goes over ssh, `rsync://…` to a daemon. */
export function isSshDestination(destination: string): boolean {
  return !destination.startsWith('rsync://');
}

interface Parts {
  readonly targets: Readonly<Record<string, Nameless>>;
  /** Absolute; undefined when it has a fault of its own. */
  readonly work: string | undefined;
  readonly written: WrittenAt;
}

/** Returns what is wrong with targets beside each other, the work folder, and keys that exclude each other. */
export function checkTargets({ targets, work, written }: Parts): Breach[] {
  return [
    ...Object.entries(targets).flatMap(([name, target]) => checkTarget(name, target, work, written)),
    ...sharedDestinations(targets),
  ];
}

function checkTarget(name: string, target: Nameless, work: string | undefined, written: WrittenAt): Breach[] {
  if (target.type === 'directory') {
    return [...checkServed(name, target), ...(work === undefined ? [] : besideWork(name, target.path, work))];
  }
  if (target.type !== 'rsync') return [];
  const [key, message] = isSshDestination(target.destination)
    ? ['password-file', 'is for rsync://host/module/path only; a destination over ssh takes ssh.identity-file.']
    : ['ssh', 'is for user@host:/path only; an rsync:// destination takes a password-file.'];
  const path = ['targets', name, key];
  return written(...path) === undefined ? [] : [{ path, message }];
}

function besideWork(name: string, target: string, work: string): Breach[] {
  const path = ['targets', name, 'path'];
  if (within(work, target)) {
    return [
      { path, message: `must not hold the work folder ${work}: caches and unfinished builds would be published.` },
    ];
  }
  const taken = ['repo', 'cache', 'builds'].map((part) => resolve(work, part)).find((part) => within(target, part));
  return taken === undefined ? [] : [{ path, message: `must not lie in ${taken}, which the work folder uses itself.` }];
}

function sharedDestinations(targets: Parts['targets']): Breach[] {
  const seen = new Map<string, string>();
  return Object.entries(targets).flatMap(([name, target]): Breach[] => {
    const { key, place } = placeOf(target);
    const other = seen.get(place);
    seen.set(place, other ?? name);
    if (other === undefined) return [];
    return [{ path: ['targets', name, key], message: `is the same place as that of target "${other}".` }];
  });
}

/** What distinguishes a target's place from any other's, and the key it is written under. */
function placeOf(target: Nameless): { key: string; place: string } {
  switch (target.type) {
    case 'directory':
      return { key: 'path', place: target.path };
    case 's3':
      return { key: 'bucket', place: [target.endpoint ?? '', target.bucket, target.prefix].join('\0') };
    case 'rsync':
    case 'ssh':
      return { key: 'destination', place: target.destination };
  }
}

export const targetsTemplate = `
# Places to publish to. "url" is where clients read the same files; a publish is done when a fresh client could pull
# from there.
targets:
  buildlogs:
    type: directory
    path: ./published
    url: http://localhost:8080
    serve: true                        # "atomic-nightly serve" is its web server; leave it out for another: docs/targets.md
    # pages: false                     # no index.html, page of each build and feed for people: docs/pages.md

  # Over ssh; without "ssh" keys, what ssh itself would use.
  # mirror:
  #   type: rsync
  #   destination: nightly@mirror.example.org:/srv/atomic
  #   ssh:
  #     identity-file: /etc/atomic-nightly/id_ed25519
  #     known-hosts-file: /etc/atomic-nightly/known_hosts
  #     port: 22
  #   bandwidth-limit: 2M
  #   url: https://mirror.example.org/atomic

  # To a module of an rsync daemon.
  # archive:
  #   type: rsync
  #   destination: rsync://nightly@archive.example.org/atomic
  #   password-file: /etc/atomic-nightly/rsync-password
  #   url: https://archive.example.org/atomic

  # Over ssh to an account with a shell: one stream of tar, and a real compare-and-swap.
  # shell:
  #   type: ssh
  #   destination: nightly@www.example.org:/srv/atomic
  #   url: https://www.example.org/atomic

  # A bucket. Credentials come from where the AWS programs take them: environment, ~/.aws, the machine's role.
  # bucket:
  #   type: s3
  #   bucket: example-atomic
  #   prefix: centos
  #   endpoint: https://s3.example.org     # default: AWS
  #   url: https://cdn.example.org/centos
  #   # What "prune" may remove, on any type of target (docs/retention.md). Without it: nothing.
  #   retention:
  #     refs: {'*/nightly*': {depth: 30, age: 60d}, '*': {age: 520w}}
  #     images: 30d
  #     logs: 90d
  #     grace: 7d
`;
