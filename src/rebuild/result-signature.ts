import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import { NightlyError } from '../base/errors.ts';
import { readPublicFile } from '../base/secret-file.ts';
import type { MachineConfig } from '../config/builders.ts';
import { type RebuildResult, signedText } from './result.ts';

/**
 * Verifies that a builder's pinned key signed its result: the job, and the digest of each file as we have it.
 * @throws NightlyError `verify` for a signature of another key, or over something else; `config` for a key that is none.
 */
export async function verifyResult(result: RebuildResult, machine: MachineConfig): Promise<void> {
  const { job, builder, operator, packages, signature } = result;
  if (builder !== machine.name || operator !== machine.operator) {
    throw new NightlyError(
      'verify',
      `Job ${job} is of ${operator}/${builder}, not of ${machine.operator}/${machine.name}.`,
      {
        hint: 'Only a machine of the configuration, with the operator that it has there, can have results.',
      },
    );
  }
  const text = signedText(
    job,
    packages.map(({ sha256 }) => sha256),
  );
  if (verify('sha256', Buffer.from(text), await pinnedKey(machine), Buffer.from(signature, 'base64'))) return;
  throw new NightlyError(
    'verify',
    `The result of job ${job} is not signed by the key of ${builder} (${machine.statementKey}).`,
    {
      hint: 'It is not used. Somebody else answers for that machine, its operator has another key now, or files were changed on the way.',
    },
  );
}

async function pinnedKey({ name, statementKey }: MachineConfig): Promise<KeyObject> {
  const missing = 'Its operator has it; put it there, or correct "statement-key" of the machine.';
  const pem = await readPublicFile(statementKey, { what: `public key of ${name}`, code: 'config', missing });
  try {
    const key = createPublicKey(pem);
    if (key.asymmetricKeyDetails?.namedCurve === 'prime256v1') return key;
  } catch {
    // What OpenSSL says of a file that is no key helps nobody.
  }
  throw new NightlyError('config', `${statementKey} holds no public key on the curve P-256, in PEM.`, {
    hint: '"openssl ec -in KEY -pubout" prints one that begins with "BEGIN PUBLIC KEY".',
  });
}
