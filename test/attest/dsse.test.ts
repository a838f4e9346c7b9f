import { createHash, createPrivateKey, generateKeyPairSync, sign } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { envelopeLine, STATEMENT_TYPE, signedBytes } from '../../src/attest/dsse.ts';
import { run } from '../../src/programs/exec.ts';
import { temporaryFolder } from '../support/tmp.ts';

const sha256 = (bytes: string | Uint8Array) => createHash('sha256').update(bytes).digest('hex');

/** A statement that cosign 3.1.1 and 2.5.0 accepted with this signature. */
const PAYLOAD = Buffer.from(
  `{"_type":"https://in-toto.io/Statement/v1","subject":[{"name":"a","digest":{"sha256":"${sha256('a\n')}"}}],` +
    '"predicateType":"https://slsa.dev/provenance/v1","predicate":{}}',
);

test('the signed bytes are those that others sign', () => {
  const bytes = signedBytes(STATEMENT_TYPE, PAYLOAD);
  expect([PAYLOAD.length, bytes.length]).toEqual([219, 262]);
  expect(sha256(bytes)).toBe('201d3cde327aa4f2b507eea1e2528cdf3eaf081b8e228d608c6cd170e602de84');
  const seed = Buffer.from(Array.from({ length: 32 }, (_, n) => n));
  const der = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed]);
  const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  expect(sign(null, bytes, key).toString('base64')).toBe(
    '/VDucubvJjR1hTp0q3HpfB4MhH+pLpaxxjOwqyh/adwAiiaMzPN3iloQWl2AuvLTRHy0Hj3u2qpNPujA1RjpAA==',
  );
  // Lengths count bytes, not characters.
  expect(signedBytes('é', Buffer.from('ü')).toString()).toBe('DSSEv1 2 é 2 ü');
});

const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString();
test('openssl verifies what is signed, with the plain key', async () => {
  const folder = temporaryFolder();
  const signature = sign('sha256', signedBytes(STATEMENT_TYPE, PAYLOAD), privateKey);
  const line = envelopeLine(PAYLOAD, signature);
  const { signatures, payload } = JSON.parse(line);
  await writeFile(join(folder, 'key.pub'), pem);
  await writeFile(join(folder, 'sig'), Buffer.from(signatures[0].sig, 'base64'));
  await writeFile(join(folder, 'bytes'), signedBytes(STATEMENT_TYPE, Buffer.from(payload, 'base64')));
  const args = ['dgst', '-sha256', '-verify', 'key.pub', '-signature', 'sig', 'bytes'];
  expect((await run('openssl', args, { cwd: folder })).stdout).toBe('Verified OK\n');
});
