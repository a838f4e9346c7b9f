import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { NightlyError } from '../base/errors.ts';
import { sha256, writeFileAtomic } from '../base/files.ts';
import type { Task } from '../base/task.ts';
import { Turns } from '../base/turns.ts';
import type { GpgvFinding } from '../programs/gpg.ts';
import { readKeyInfo } from './key-info.ts';
import type { Signable, Signer } from './signer.ts';
import { findingsOf } from './verify-detached.ts';

/** Who signs the same with the same key at the same time waits, and gets what is kept then. */
const turns = new Turns();

/**
 * Returns a signer with one key that keeps each signature, by the key and the digest of what it signs, before anybody
 * gets it: a step that is repeated after a kill takes the same one, targets that are published to at the same time get
 * the same one, and a card or a person is asked once. What is handed out has been checked by gpgv against the public key alone (I2).
 * @param folder where signatures are kept, as FINGERPRINT/SHA256.sig; made when missing
 */
export function keptSigner(signer: Signer, folder: string): Signer {
  let known: Promise<KnownKey> | undefined;
  const ask = async (task: Task) => {
    const [publicKey, clientKey] = [await signer.publicKey(task), await signer.clientKey(task)];
    const [key] = await readKeyInfo(publicKey, 'the public key of the signer');
    return { publicKey, clientKey, fingerprint: key?.fingerprint ?? '' };
  };
  // Asked once in a run; again only after a failure.
  const theKey = (task: Task) =>
    (known ??= ask(task).catch((error: unknown) => {
      known = undefined;
      throw error;
    }));
  return {
    publicKey: async (task) => (await theKey(task)).publicKey,
    clientKey: async (task) => (await theKey(task)).clientKey,
    check: (task) => signer.check(task),
    async sign(what, task) {
      const { publicKey, clientKey, fingerprint } = await theKey(task);
      const accepted = async (signature: Uint8Array) =>
        (await findingsOf({ what, signature, publicKey: clientKey }, task)).includes('good');
      const kept = join(folder, fingerprint, `${digestOf(what)}.sig`);
      return turns.take(kept, async () => {
        if (existsSync(kept)) {
          const signature = new Uint8Array(await readFile(kept));
          // One that the key can no longer vouch for, because it has expired since, is of no more use.
          if (isGood(await findingsOf({ what, signature, publicKey }, task)) && (await accepted(signature)))
            return signature;
        }
        const signature = await signer.sign(what, task);
        const findings = await findingsOf({ what, signature, publicKey }, task);
        if (!isGood(findings)) throw refused(findings, fingerprint, task);
        if (!(await accepted(signature))) throw tooNew(fingerprint, task);
        await writeFileAtomic(kept, signature);
        return signature;
      });
    },
  };
}

interface KnownKey {
  readonly publicKey: Uint8Array;
  readonly clientKey: Uint8Array;
  readonly fingerprint: string;
}

const digestOf = (what: Signable): string => (what instanceof Uint8Array ? sha256(what) : what.sha256);

const isGood = (findings: readonly GpgvFinding[]): boolean =>
  findings.length > 0 && findings.every((finding) => finding === 'good');

function refused(findings: readonly GpgvFinding[], fingerprint: string, task: Task): NightlyError {
  const { why, hint } = reasonOf(findings.find((finding) => finding !== 'good') ?? 'unreadable');
  return new NightlyError('signing', `gpgv refuses the signature that was just made for key ${fingerprint}: ${why}.`, {
    hint,
    log: task.logFile,
  });
}

function tooNew(fingerprint: string, task: Task): NightlyError {
  return new NightlyError(
    'signing',
    `A part of key ${fingerprint} signed that clients may not have: it was added after they were given the key.`,
    {
      hint: 'Have the signer use the older part as well, or name the parts that clients have under "subkeys": docs/signing.md.',
      log: task.logFile,
    },
  );
}

function reasonOf(finding: GpgvFinding): { readonly why: string; readonly hint: string } {
  switch (finding) {
    case 'unknown-key':
      return {
        why: 'another key made it',
        hint: 'The signer must use the key whose public half is configured, or the configuration name the one it uses.',
      };
    case 'bad':
      return {
        why: 'it is over other bytes than those that were to be signed',
        hint: 'The signer must sign exactly what it is given: no text mode, no added newline, nothing of an earlier request.',
      };
    case 'expired':
      return {
        why: 'the key, or the signature, has expired',
        hint: 'Extend the key or use another: docs/signing.md.',
      };
    case 'revoked':
      return { why: 'the key has been revoked', hint: 'Use another key: docs/signing.md.' };
    case 'good':
    case 'unreadable':
      return {
        why: 'it cannot be read, or not with the kind of this key',
        hint: 'gpgv 2.2 reads RSA, DSA, NIST and ed25519 keys of version 4; the log has its message.',
      };
  }
}
