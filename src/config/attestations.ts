import { z } from 'zod';
import { parseVkey } from '../log/note-keys.ts';
import { block, type Here } from './block.ts';
import { passphraseKeys, signingCommandKeys, withPassphrase } from './private-keys.ts';
import { filePath, httpUrl } from './values.ts';

/** A private key in PEM, used by this program itself. */
const keyFile = (here: Here) =>
  block({
    type: z.literal('key-file'),
    'key-file': filePath(here).describe('Private key on the curve P-256, in PEM, readable by its owner only.'),
    ...passphraseKeys(here),
  }).transform((key) => withPassphrase(key));

/** Another program signs: it is given the bytes on standard input and prints an ECDSA signature. */
const keyCommand = (here: Here) => {
  const { timeout, retries, ...keys } = signingCommandKeys(
    here,
    'prints an ECDSA signature over their SHA-256, in DER or base64 of it',
  );
  const publicKeyFile = filePath(here).describe('Its public key, in PEM.');
  return block({ ...keys, 'public-key-file': publicKeyFile, timeout, retries }, { timeout: 'timeoutSeconds' });
};

/** Makes the schema of a key that signs statements. */
export const statementKey = (here: Here) => z.discriminatedUnion('type', [keyFile(here), keyCommand(here)]);

/** The key that signs statements, by who has its private half. */
export type StatementKeyConfig = z.output<ReturnType<typeof statementKey>>;

/** Makes the schema of what Sigsum's own program is told. */
const sigsumBlock = (here: Here) =>
  block(
    {
      policy: filePath(here).describe("Logs, witnesses and quorum, in the format of Sigsum's policies."),
      'key-file': filePath(here).describe(
        'Private key that signs for the log, in OpenSSH format; or its public half, where an ssh-agent has the private one.',
      ),
      token: block({
        domain: z
          .string()
          .regex(/^[\w.-]+\.\w+$/, 'must be the name of a domain')
          .describe('Domain whose DNS names the public half, without "_sigsum_v1." in front.'),
        'key-file': filePath(here).describe('Private key in OpenSSH format, or its public half, as above.'),
      })
        .optional()
        .describe('For logs that limit who submits.'),
      timeout: z.int().min(10).max(3600).default(300).describe('Seconds until the proof has to be there.'),
    },
    { timeout: 'timeoutSeconds' },
  );

function isLogKey(text: string): boolean {
  try {
    return parseVkey(text, { file: 'log-key' }).type === 'ed25519';
  } catch {
    return false;
  }
}

/** Makes the schema of the `attestations` key of a stream. */
export const attestationsSchema = (here: Here) =>
  block({
    sbom: z.boolean().default(true).describe('Publish a bill of materials (CycloneDX) beside each build.'),
    statement: block({
      builder: z.url().describe('URI of whoever runs these builds and answers for them.'),
      key: statementKey(here),
      rekor: block({
        url: httpUrl.describe('Address of the log.'),
        'log-key': z
          .string()
          .refine(isLogKey, 'must be NAME+ID+KEY, with an Ed25519 key')
          .describe('Public key that signs its checkpoints, as NAME+ID+KEY.'),
      })
        .optional()
        .describe('Have the signature in a Rekor log (version 2) as well, before the build is published.'),
      sigsum: sigsumBlock(here)
        .optional()
        .describe('Have a Sigsum log prove that it has the statement, before the build is published.'),
    })
      .optional()
      .describe('Publish a signed statement (SLSA provenance) beside each build.'),
  })
    .optional()
    .describe('What is said of each build in formats that other programs read.');

export const attestationsTemplate = `
    # Beside each build, for other programs (docs/attestations.md): a bill of materials, and a signed statement of what it was
    # made from.
    # attestations:
    #   sbom: true
    #   statement:
    #     builder: https://ci.example.org/atomic
    #     key: {type: key-file, key-file: /etc/atomic-nightly/statements.pem}
    #     # A transparency log of sigstore's that is to have the signature, and the key that signs its checkpoints.
    #     # rekor: {url: 'https://rekor.example.org', log-key: rekor.example.org+809b35f1+AQOh…}
    #     # A log of Sigsum's that is to have the statement (its program sigsum-submit has to be installed).
    #     # sigsum: {policy: /etc/atomic-nightly/sigsum.policy, key-file: /etc/atomic-nightly/sigsum.key}
`;
