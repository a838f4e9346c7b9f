import { z } from 'zod';
import { didYouMean } from '../base/nearest.ts';
import { statementKey } from './attestations.ts';
import { block, type Here } from './block.ts';
import type { Breach, WrittenAt } from './breach.ts';
import { checkPassphrase } from './private-keys.ts';
import { signingKey } from './signing.ts';
import { age, filePath, httpUrl, wait } from './values.ts';

/** Kinds of host keys that OpenSSH still takes by default, each with its base64. */
const HOST_KEY = /^(ssh-ed25519|ecdsa-sha2-nistp(256|384|521)|rsa-sha2-(256|512)|ssh-rsa) [A-Za-z0-9+/]{40,}={0,2}$/;

const machine = (here: Here) =>
  block({
    name: z
      .string()
      .regex(/^[a-z0-9]+(-[a-z0-9]+)*$/, 'must be words of small letters and digits joined by "-"')
      .describe('Name of the machine in records.'),
    operator: z
      .string()
      .regex(
        /^[A-Za-z0-9][\w.-]*$/,
        'must start with a letter or digit and hold only letters, digits, ".", "_" and "-"',
      )
      .describe('Who runs it: a build and its duplicate are never of one operator.'),
    ssh: block({
      host: z.string().regex(/^[A-Za-z0-9:][\w.:-]*$/, 'must be the name or address of a machine'),
      port: z.int().min(1).max(65535).default(22),
      user: z
        .string()
        .regex(/^[a-z_][\w-]*$/, 'must be the name of an account')
        .default('root')
        .describe('Must be root there, who alone can see everything that runs; builds themselves never run as root.'),
      'identity-file': filePath(here).optional().describe('Private key; default: what ssh itself would use.'),
      'host-key': z
        .string()
        .regex(HOST_KEY, 'must be a public host key without its comment, as in "ssh-ed25519 AAAA…"')
        .describe('Public key of the machine, as its operator gives it: a machine with another gets nothing.'),
    }),
    arch: z
      .array(z.enum(['x86_64', 'aarch64', 'ppc64le', 's390x', 'noarch']))
      .min(1, 'needs at least one architecture')
      .describe('Which packages it builds.'),
    'statement-key': filePath(here).describe(
      "The operator's public key on the curve P-256, in PEM: results are signed by it.",
    ),
    sign: z
      .string()
      .regex(/^[^\n]+$/, 'must be one line')
      .default('openssl dgst -sha256 -sign /etc/atomic-nightly-builder.pem')
      .describe(
        "Command on the machine that signs its standard input with the private half, in DER: its operator's business.",
      ),
    tpm: block({
      key: filePath(here).describe('Public half of the attestation key, in PEM, as its operator gives it.'),
      handle: z
        .string()
        .regex(/^0x81[0-9a-fA-F]{6}$/, 'must be a persistent handle, as in "0x81010002"')
        .default('0x81010002')
        .describe('Where the TPM has that key: a restricted one without a password.'),
      pcrs: z
        .array(z.int().min(0).max(23))
        .min(1, 'needs at least one register')
        .default([0, 1, 2, 3, 4, 5, 6, 7])
        .describe('Registers, SHA-256 bank, that must stay as they were at the first accepted check.'),
      device: z
        .string()
        .regex(/^\/[\w./-]+$/, 'must be an absolute path')
        .default('/dev/tpmrm0')
        .describe('Device of the TPM on the machine.'),
    })
      .optional()
      .describe('Ask the TPM of the machine for a quote at each check.'),
    image: z
      .string()
      .optional()
      .describe(
        'Stream whose image the machine was booted from: it is compared with the commit, not with RPM headers.',
      ),
  });

/** Packages of a build root that can rebuild most of what is written in C. */
const ROOT_PACKAGES = ['rpm-build', 'gcc', 'make', 'tar', 'gzip', 'xz', 'patch', 'diffutils', 'findutils', 'file'];

const RATE = 'must be between 0 and 1';
const rate = (level: string, share: number) =>
  z.number().min(0, RATE).max(1, RATE).default(share).describe(`Share of the results of ${level} builders.`);

/** Makes the schema of the `builders` block. */
export const buildersSchema = (here: Here) =>
  block(
    {
      machines: z.array(machine(here)).min(1, 'needs at least one machine').describe('Machines that rebuild for us.'),
      'known-good': z
        .array(filePath(here))
        .default([])
        .describe('.repo files: what their packages say is on machines that were not booted from an image of ours.'),
      repositories: z.array(filePath(here)).default([]).describe('.repo files that build roots are made of.'),
      root: z
        .array(z.string().min(1, 'must not be empty'))
        .min(1, 'needs at least one package')
        .default(ROOT_PACKAGES)
        .describe('Packages of the build root, besides what a source package asks for.'),
      stall: wait
        .prefault('10m')
        .describe(
          'How long a machine may show no progress, in its log or its processor time, before it loses the job.',
        ),
      rates: block({
        new: rate('new', 1),
        proven: rate('proven', 0.2),
        sponsor: rate('sponsor', 0.05),
      })
        .prefault({})
        .describe('How many results are built a second time by another operator, by the level of the builder.'),
      keep: block(
        {
          jobs: z.int().min(0).default(1000).describe('So many at most.'),
          age: age.prefault('90d').describe('How long at most.'),
          roots: z
            .int()
            .min(1)
            .default(20)
            .describe('Build roots that stay on each machine, those used last; a root in which a job is built stays.'),
        },
        { age: 'ageSeconds' },
      )
        .prefault({})
        .describe(
          'What stays: scratch builds, failed builds and jobs without a result that "gc" keeps, and build roots on machines. Results that count for something stay for good.',
        ),
      statement: block({
        verifier: httpUrl.describe('URI of whoever answers for verdicts on results.'),
        key: statementKey(here),
      })
        .optional()
        .describe('Sign statements of results and of what a quorum of builders agrees on.'),
      publish: block(
        {
          target: z.string().describe('Target that has the repositories.'),
          path: z
            .string()
            .regex(
              /^(?:[\w+~-][\w.+~-]*|<arch>)(?:\/(?:[\w+~-][\w.+~-]*|<arch>))*$/,
              'must be words joined by "/", and <arch>',
            )
            .refine((text) => text.split('/').includes('<arch>'), { error: 'must have <arch> in it' })
            .refine((text) => !/^(?:repo|builds|log|streams|vagrant|rpms)(?:\/|$)/.test(text), {
              error: 'begins with a folder that builds are published to',
            })
            .default('rebuilds/<arch>')
            .describe(
              'Folder there; <arch> is the architecture. Debuginfo is beside it, with "-debug" behind its name.',
            ),
          signing: signingKey(here).describe('Key that signs the packages and the metadata.'),
          keep: age.prefault('7d').describe('How long packages and metadata that nothing names any more stay.'),
        },
        { keep: 'keepSeconds' },
      )
        .optional()
        .describe('Publish what is accepted as RPM repositories.'),
    },
    { stall: 'stallSeconds' },
  );

/** Machines that rebuild packages, and what they are compared with. */
export type BuildersConfig = z.output<ReturnType<typeof buildersSchema>>;

/** A machine that rebuilds packages. */
export type MachineConfig = BuildersConfig['machines'][number];

interface Parts {
  /** Undefined when there is none, or it has a fault of its own. */
  readonly builders: BuildersConfig | undefined;
  readonly streamNames: readonly string[];
  readonly targetNames: readonly string[];
  readonly written: WrittenAt;
}

/** Returns what is wrong with builders that depends on more than one value. */
export function checkBuilders({ builders, streamNames, targetNames, written }: Parts): Breach[] {
  if (builders === undefined) return [];
  const breaches: Breach[] = [];
  const add = (path: readonly (string | number)[], message: string) =>
    breaches.push({ path: ['builders', ...path], message });
  const { machines, knownGood } = builders;
  for (const [index, { name, ssh, image }] of machines.entries()) {
    const at = ['machines', index];
    if (machines.findIndex((one) => one.name === name) !== index) add([...at, 'name'], `"${name}" is named twice.`);
    const same = machines.findIndex((one) => one.ssh.hostKey === ssh.hostKey);
    if (same !== index) {
      add([...at, 'ssh', 'host-key'], `is that of "${machines[same]?.name}": two builders must be two machines.`);
    }
    if (image === undefined && knownGood.length === 0) {
      add(at, `"${name}" has no image, so known-good must name the .repo files of what is installed there.`);
    }
    if (image === undefined || streamNames.includes(image)) continue;
    const known = didYouMean(image, streamNames) || ` Streams here: ${streamNames.join(', ')}.`;
    add([...at, 'image'], `there is no stream "${image}".${known}`);
  }
  const { publish } = builders;
  if (publish !== undefined && !targetNames.includes(publish.target)) {
    const known = didYouMean(publish.target, targetNames) || ` Targets here: ${targetNames.join(', ')}.`;
    add(['publish', 'target'], `there is no target "${publish.target}".${known}`);
  }
  if (publish !== undefined && builders.statement === undefined) {
    add(['publish'], 'needs "statement": only results with a signed statement are published.');
  }
  return [
    ...breaches,
    ...checkPassphrase(['builders', 'statement', 'key'], written),
    ...checkPassphrase(['builders', 'publish', 'signing'], written),
  ];
}

export const buildersTemplate = `
# Machines of others that rebuild packages, and that nobody has to trust (docs/rebuilds.md).
# builders:
#   machines:
#     - name: alpha
#       operator: example.org          # a build and its duplicate are never of one operator
#       ssh:
#         host: alpha.example.org
#         identity-file: /etc/atomic-nightly/builders
#         host-key: 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGwOkuDn7KnXQBKHTPT4pNwWFyDvMEgYOhgqcO6JIK8M'
#       arch: [x86_64, noarch]
#       statement-key: /etc/atomic-nightly/alpha.pem     # its operator's public key
#       # tpm: {key: /etc/atomic-nightly/alpha-tpm.pem}   # its TPM vouches for firmware and boot loader
#       # image: nightly               # booted from an image of this stream
#   known-good: [/etc/yum.repos.d/fedora.repo]           # what is installed on machines without an image
#   repositories: [/etc/yum.repos.d/fedora.repo]         # what build roots are made of
#   # root: [rpm-build, gcc, make]
#   # rates: {new: 1, proven: 0.2, sponsor: 0.05}        # how many results are built twice
#   # statement: {verifier: 'https://rebuilds.example.org', key: {type: key-file, key-file: /etc/atomic-nightly/results.pem}}
#   # publish: {target: buildlogs, signing: {type: openpgp, key-file: /etc/atomic-nightly/rebuilds.key}}
`;
