import { z } from 'zod';
import { notifySchema } from './notify.ts';
import { releaseKeys } from './release.ts';
import { releasePackageSchema } from './release-package.ts';
import { scheduleSchema, serviceSchema } from './service.ts';
import { filePath } from './values.ts';

/**
 * The shape of atomic-nightly.yaml as people write it: kebab-case keys, relative paths, text durations. What depends on
 * more than one value is in rules.ts; what the program works with is in config.ts.
 */

/** Architectures by the names RPM and rpm-ostree (`$basearch`) use. */
export const ARCHITECTURES = ['x86_64', 'aarch64', 'ppc64le', 's390x'] as const;

/** A word used in file names, URLs and log lines. */
const word = z
  .string()
  .regex(/^[A-Za-z0-9][\w.-]*$/, 'must start with a letter or digit and hold only letters, digits, ".", "_" and "-"');

const httpUrl = z
  .string()
  .regex(/^https?:\/\/[^\s/]+/, 'must be an http:// or https:// URL that clients can reach')
  .refine((text) => !hasPassword(text), { error: 'must not hold a password' });

const repoUrl = z
  .string()
  .regex(/^(https?:\/\/[^\s/]+|file:\/\/\/)/, 'must be an http://, https:// or file:/// URL')
  .refine((text) => !hasPassword(text), { error: 'must not hold a password' });

function hasPassword(url: string): boolean {
  return /^[a-z]+:\/\/[^/@\s]*:[^/@\s]*@/.test(url);
}

const engineName = z.enum(['auto', 'dnf', 'rpm-ostree']);

const engine = z
  .union([
    engineName,
    z.strictObject({
      type: z.literal('rpm-ostree'),
      command: z
        .array(z.string().min(1, 'must not be empty'))
        .min(1, 'needs at least the program')
        .describe('Program and arguments in front of "compose tree …", for instance a container command.'),
    }),
  ])
  .describe('What composes: auto takes rpm-ostree when it is installed, otherwise dnf.');

const duration = z.string().regex(/^[1-9]\d*[mhdw]$/, 'must be a whole number with m, h, d or w, as in 36h or 14d');

const refPolicy = z.strictObject({
  depth: z.int().min(1).optional().describe('Newest commits of the ref that stay, whatever their age.'),
  age: duration.optional().describe('Commits younger than this stay, as in 90d.'),
});

const targetRetention = z
  .strictObject({
    refs: z
      .record(z.string().min(1), refPolicy)
      .describe(
        'By ref or pattern ("*" stands for anything); the first that matches holds. A ref without one stops a prune.',
      ),
    images: duration.optional().describe('Images of older builds go, unless promoted; default: none go.'),
    logs: duration.optional().describe('Logs of older builds go; default: none go.'),
    grace: duration.default('7d').describe('From when a commit is given up until its files go; longer than any cache.'),
  })
  .describe('What "prune" may remove there; without it, nothing.');

const pages = z
  .boolean()
  .default(true)
  .describe('Whether index.html, a page for each build and a feed are put there for people.');

const sshOptions = z
  .strictObject({
    'identity-file': filePath.optional().describe('Private key; default: what ssh itself would use.'),
    'known-hosts-file': filePath.optional().describe('Host keys to trust; default: what ssh itself would use.'),
    port: z.int().min(1).max(65535).optional(),
  })
  .describe('How ssh connects.');

const caFile = filePath
  .optional()
  .describe('Certificates (PEM) that vouch for the url, and for the endpoint of S3; default: those of the system.');

const directoryTarget = z.strictObject({
  type: z.literal('directory'),
  path: filePath.describe('The folder a web server publishes; it will hold repo/ and builds/.'),
  url: httpUrl.describe('Where clients read that folder; "verify" pulls from it.'),
  'ca-file': caFile,
  retention: targetRetention.optional(),
  pages,
});

const rsyncTarget = z.strictObject({
  type: z.literal('rsync'),
  destination: z
    .string()
    .regex(
      /^(rsync:\/\/[^\s/]+\/[^\s/]+(\/\S*)?|([^\s@:/]+@)?([^\s@:/]+|\[[0-9A-Fa-f:.]+\]):\/\S*)$/,
      'must be user@host:/absolute/path (over ssh) or rsync://host/module/path (rsync daemon)',
    )
    .refine((text) => !hasPassword(text), { error: 'must not hold a password; name a password-file' }),
  ssh: sshOptions.optional().describe('Only for the user@host:/path form.'),
  'password-file': filePath
    .optional()
    .describe('Only for the rsync:// form: a file with the password alone, readable by its owner only.'),
  'bandwidth-limit': z
    .string()
    .regex(/^\d+(\.\d+)?[KMG]?$/, 'must be a number with an optional K, M or G (bytes a second; plain is KiB)')
    .optional(),
  url: httpUrl.describe('Where clients read the destination; "verify" pulls from it.'),
  'ca-file': caFile,
  retention: targetRetention.optional(),
  pages,
});

const sshTarget = z.strictObject({
  type: z.literal('ssh'),
  destination: z
    .string()
    .regex(/^([^\s@:/]+@)?([^\s@:/]+|\[[0-9A-Fa-f:.]+\]):\/\S*$/, 'must be user@host:/absolute/path')
    .describe('The account there needs a shell with GNU tar, coreutils and flock.'),
  ssh: sshOptions.optional(),
  url: httpUrl.describe('Where clients read the destination; "verify" pulls from it.'),
  'ca-file': caFile,
  retention: targetRetention.optional(),
  pages,
});

const s3Target = z.strictObject({
  type: z.literal('s3'),
  bucket: z.string().regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, 'must be the name of a bucket'),
  prefix: z
    .string()
    .regex(/^[\w.-]+(\/[\w.-]+)*$/, 'must be words joined by "/"')
    .optional()
    .describe('Folder in the bucket; default: its top.'),
  endpoint: httpUrl.optional().describe('Default: that of AWS. Another server is addressed as ENDPOINT/BUCKET.'),
  region: z.string().min(1).default('us-east-1'),
  parallel: z.int().min(1).max(256).default(32).describe('Requests under way at the same time.'),
  url: httpUrl.describe('Where clients read the bucket and prefix; "verify" pulls from it.'),
  'ca-file': caFile,
  retention: targetRetention.optional(),
  pages,
});

export const targetSchema = z.discriminatedUnion('type', [directoryTarget, rsyncTarget, sshTarget, s3Target]);

const image = word.describe('Name of a folder with an image.yaml, of this project or of those that come along.');

const smokeTest = z.strictObject({
  images: z.array(image).min(1, 'needs at least one image').optional().describe('Default: all images of the stream.'),
  timeout: z
    .int()
    .min(10)
    .default(300)
    .describe('Seconds without output on the serial line until a boot counts as hung; five times as many in all.'),
  'allow-degraded': z
    .array(z.strictObject({ unit: z.string().min(1), reason: z.string().min(1, 'say why it may fail') }))
    .default([])
    .describe('Units that may fail, each with a reason.'),
});

/** OSTree's own rule (ostree-core.c, `OSTREE_REF_REGEXP`), with the letters that fit into every URL. */
const refName = z
  .string()
  .regex(
    /^(\$\{basearch\}|\w)(\$\{basearch\}|[\w.-])*(\/(\$\{basearch\}|\w)(\$\{basearch\}|[\w.-])*)*$/,
    'must be words joined by "/", each of letters, digits, "_", "." and "-", the first neither "." nor "-"',
  );

const fingerprint = z.string().regex(/^[0-9A-Fa-f]{40}$/, 'must be the 40 hex digits of a fingerprint');

const subkeys = z
  .array(fingerprint)
  .min(1, 'needs at least one fingerprint')
  .optional()
  .describe(
    'Parts of the key to sign with, those that clients have had for longest first; default: each part that can sign.',
  );

const gpgAgent = z.strictObject({
  type: z.literal('gpg-agent'),
  home: filePath.optional().describe('GnuPG home with the key; default: what gpg itself would use.'),
  key: fingerprint,
  subkeys,
});

const openpgpKey = z.strictObject({
  type: z.literal('openpgp'),
  'key-file': filePath.describe('Private key, armored or binary, readable by its owner only.'),
  'passphrase-file': filePath.optional().describe('A file with the passphrase alone, readable by its owner only.'),
  'passphrase-env': z
    .string()
    .regex(/^[A-Za-z_]\w*$/, 'must be the name of an environment variable')
    .optional()
    .describe('Environment variable with the passphrase; programs that are started do not get it.'),
  'passphrase-credential': word.optional().describe('Name of a systemd credential (LoadCredential=) with it.'),
  subkeys,
});

const signingCommand = z.strictObject({
  type: z.literal('command'),
  command: z
    .array(z.string().min(1, 'must not be empty'))
    .min(1, 'needs at least the program')
    .describe('Gets the bytes on standard input, prints a detached signature, armored or binary.'),
  'public-key-file': filePath.describe('What it signs with, armored or binary.'),
  subkeys,
  timeout: z.int().min(1).max(3600).default(120).describe('Seconds for one try.'),
  retries: z.int().min(0).max(10).default(4).describe('Further tries, after 1, 2, 4 … seconds.'),
});

export const signingSchema = z.discriminatedUnion('type', [gpgAgent, openpgpKey, signingCommand]);

export const streamSchema = z.strictObject({
  treefile: filePath.optional().describe('What a night is composed from; a release stream has that of its nights.'),
  ...releaseKeys,
  ref: refName.optional().describe("Instead of the treefile's ref; the variable basearch is replaced."),
  arch: z.enum(ARCHITECTURES).optional().describe("Default: the host's."),
  seed: z
    .strictObject({
      url: repoUrl.optional().describe("The published repo to follow; default: the first target's url + /repo."),
      'allow-new': z.boolean().default(false).describe('Start a new repo when there is none at that URL.'),
      'gpg-keys': z
        .array(filePath)
        .default([])
        .describe('Public keys; with any, the last commit must be signed by one.'),
    })
    .prefault({}),
  targets: z.array(z.string()).min(1, 'needs at least one target'),
  remote: z
    .strictObject({
      name: word.optional().describe('Default: the name at the top of this file.'),
      url: httpUrl.optional().describe("Default: the first target's url + /repo."),
    })
    .prefault({})
    .describe('The OSTree remote that images are configured with.'),
  'os-name': word.optional().describe('The stateroot on hosts; default: the name at the top of this file.'),
  images: z.array(image).default([]),
  'image-prefix': word.optional().describe('Start of image file names; default: the name at the top of this file.'),
  'smoke-test': z
    .union([z.literal(false), smokeTest])
    .default(false)
    .describe('Boot images before the build is called tested.'),
  'tested-ref': refName.optional().describe('Moved when the smoke test has passed; default: the ref and "-tested".'),
  'vagrant-box': word
    .optional()
    .describe('Name of the box and its catalogue; default: the name above, "-", the stream.'),
  'allow-downgrades': z.array(z.string().min(1)).default([]).describe('Names of packages that may go back.'),
  'max-metadata-age': duration.optional().describe('Older repository metadata stops the run, as in 36h or 14d.'),
  signing: z
    .union([signingSchema, z.array(signingSchema).min(1, 'needs at least one key').max(2)])
    .optional()
    .describe('Signs commits, summaries, images and records; two while one key takes over from another.'),
  deltas: z
    .array(z.union([z.enum(['parent', 'scratch']), z.strictObject({ ref: refName })]))
    .default([])
    .describe('Static deltas to the new commit: from its parent, from scratch, from what another ref names.'),
  'release-package': releasePackageSchema.optional(),
  retention: z
    .strictObject({ builds: z.int().min(1).default(30).describe('Local build records and images kept.') })
    .prefault({}),
  schedule: scheduleSchema.optional(),
});

/** The whole file. */
export const configSchema = z.strictObject({
  name: word.describe('Short name of the distribution: in file names and records.'),
  work: filePath.default('./work').describe('Repo, caches and build records; needs several GB.'),
  engine: engine.default('auto'),
  'image-templates': filePath.optional().describe('Folder with image types of your own, a folder each.'),
  targets: z
    .record(word, targetSchema)
    .refine((all) => Object.keys(all).length > 0, { error: 'needs at least one target' }),
  streams: z
    .record(word, streamSchema)
    .refine((all) => Object.keys(all).length > 0, { error: 'needs at least one stream' }),
  notify: notifySchema,
  service: serviceSchema.prefault({}),
});

/** The file as parsed, with the defaults that do not depend on other values. */
export type RawConfig = z.output<typeof configSchema>;
export type RawTarget = z.output<typeof targetSchema>;
export type RawSigning = z.output<typeof signingSchema>;
export type RawStream = z.output<typeof streamSchema>;
