import { z } from 'zod';
import { block, type Here } from './block.ts';
import { passphraseKeys, signingCommandKeys, withPassphrase } from './private-keys.ts';
import { filePath } from './values.ts';

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

/** Makes the schema of the `attestations` key of a stream. */
export const attestationsSchema = (here: Here) =>
  block({
    sbom: z.boolean().default(true).describe('Publish a bill of materials (CycloneDX) beside each build.'),
    statement: block({
      builder: z.url().describe('URI of whoever runs these builds and answers for them.'),
      key: statementKey(here),
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
`;
