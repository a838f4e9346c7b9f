import { createHash, generateKeyPairSync, sign } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { envelopeLine, parseEnvelope, STATEMENT_TYPE, signedBytes } from '../../src/attest/dsse.ts';
import { logInRekor } from '../../src/attest/rekor-client.ts';
import { parseRekorEntry, verifyRekorEntry } from '../../src/attest/rekor-entry.ts';
import { bundleText, isBundleOf } from '../../src/attest/sigstore-bundle.ts';
import { noteKey, parseVkey } from '../../src/log/note-keys.ts';
import { fuzz, mutatedBytes } from '../support/fuzz.ts';
import { type RekorServer, startRekor } from '../support/rekor-server.ts';
import { sharedFolder, testTask } from '../support/tmp.ts';

const dir = sharedFolder();
const task = testTask(dir);
const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });

let server: RekorServer;
beforeAll(async () => {
  server = await startRekor(dir, 300);
});
afterAll(() => server.stop());

/** A statement with another signature each time: those of P-256 are random. */
function signed(text: string) {
  const payload = Buffer.from(text);
  const bytes = signedBytes(STATEMENT_TYPE, payload);
  const line = envelopeLine(payload, sign('sha256', bytes, privateKey));
  const envelope = parseEnvelope(Buffer.from(line), 'statement');
  const digest = createHash('sha256').update(bytes).digest();
  const der = publicKey.export({ type: 'spki', format: 'der' });
  return { envelope, wanted: { digest, signature: envelope.signatures[0] ?? Buffer.alloc(0), publicKey: der } };
}

const log = () => ({ url: server.url, key: parseVkey(server.vkey, { file: 'vkey' }) });

it('a signature is taken once; who was cut off before the answer finds its entry in the tiles', async () => {
  const { envelope, wanted } = signed('{"a":1}');
  const first = await logInRekor(wanted, log(), task);
  expect(first).toMatchObject({ logIndex: '300', integratedTime: '0', inclusionProof: { treeSize: '301' } });
  const bundle = bundleText(envelope, publicKey, first);
  expect(isBundleOf(Buffer.from(bundle), envelope)).toBe(true);
  expect(isBundleOf(Buffer.from(bundle), signed('{"a":1}').envelope)).toBe(false);
  const { verificationMaterial, dsseEnvelope } = JSON.parse(bundle);
  expect(verificationMaterial.tlogEntries).toEqual([first]);
  expect(Buffer.from(dsseEnvelope.payload, 'base64').toString()).toBe('{"a":1}');
  // Killed meanwhile: the log has it, and others came after it.
  const { wanted: second } = signed('{"a":2}');
  server.mode = 'cut';
  const adopted = await logInRekor(second, log(), task);
  expect(adopted).toMatchObject({ logIndex: '301', logId: first.logId, kindVersion: first.kindVersion });
  await logInRekor(signed('{"a":3}').wanted, log(), task);
  const later = await logInRekor(second, log(), task);
  expect(later).toMatchObject({ logIndex: '301', inclusionProof: { treeSize: '303' } });
  expect(later.canonicalizedBody).toBe(adopted.canonicalizedBody);
  expect(server.entries).toHaveLength(303);
});

it('what the log answers is not believed before it is proven', async () => {
  const other = (text: string): string => text.replace(/^./, (letter) => (letter === 'A' ? 'B' : 'A'));
  const change = (edit: (answer: ReturnType<typeof JSON.parse>) => void) => (text: string) => {
    const answer = JSON.parse(text);
    edit(answer);
    return JSON.stringify(answer);
  };
  const forgeries: readonly (readonly [string, (text: string) => string, RegExp])[] = [
    ['no JSON', () => '<html>', /not JSON/],
    ['nothing', () => '{}', /damaged/],
    ['another index', change((answer) => (answer.logIndex = '1')), /its proof of/],
    ['another place', (text) => text.replaceAll(/"logIndex":"\d+"/g, '"logIndex":"1"'), /does not lead to the root/],
    ['a hash', change(({ inclusionProof: one }) => (one.hashes[0] = other(one.hashes[0]))), /does not lead/],
    ['one hash less', change(({ inclusionProof: one }) => one.hashes.pop()), /does not lead to the root/],
    ['another root', change(({ inclusionProof: one }) => (one.rootHash = other(one.rootHash))), /does not lead/],
    ['another size', change(({ inclusionProof: one }) => (one.treeSize = '299')), /does not lead/],
    ['another key', change((answer) => (answer.logId.keyId = other(answer.logId.keyId))), /another key of the log/],
    ['another body', change((answer) => (answer.canonicalizedBody = Buffer.from('{}').toString('base64'))), /damaged/],
    [
      'the entry of another',
      change((answer) => {
        const body = Buffer.from(answer.canonicalizedBody, 'base64').toString();
        const digest = createHash('sha256').digest('base64');
        answer.canonicalizedBody = Buffer.from(body.replace(/"digest":"[^"]*"/, `"digest":"${digest}"`)).toString(
          'base64',
        );
      }),
      /of another signature/,
    ],
    [
      'a checkpoint that is not signed',
      change(
        ({ inclusionProof: one }) =>
          (one.checkpoint.envelope = one.checkpoint.envelope.replace(/\n3(?=\d\d\n)/, '\n4')),
      ),
      /signature of .* is wrong/,
    ],
  ];
  for (const [name, forge, says] of forgeries) {
    server.forge = forge;
    const error = await logInRekor(signed(name).wanted, log(), task).catch((fault: unknown) => fault);
    expect([name, error]).toEqual([
      name,
      expect.objectContaining({
        code: expect.stringMatching(/^(?:log|record)$/),
        message: expect.stringMatching(says),
      }),
    ]);
  }
  server.forge = (answer) => answer;
  const stranger = { ...log(), key: noteKey(log().key.name, 'ed25519', Buffer.alloc(32, 5)) };
  await expect(logInRekor(signed('x').wanted, stranger, task)).rejects.toMatchObject({ code: 'log' });
  // The server verifies as well: with openssl.
  const { wanted } = signed('y');
  const wrong = { ...wanted, digest: createHash('sha256').update('z').digest() };
  await expect(logInRekor(wrong, log(), task)).rejects.toMatchObject({
    code: 'unwitnessed',
    message: expect.stringContaining('400'),
  });
});

it('a log that gives no answer is a reason to go on later', async () => {
  server.mode = 'down';
  const { wanted } = signed('later');
  await expect(logInRekor(wanted, log(), task)).rejects.toMatchObject({
    code: 'unwitnessed',
    message: expect.stringContaining('503'),
  });
  server.mode = 'up';
  await expect(logInRekor(wanted, log(), task)).resolves.toMatchObject({ integratedTime: '0' });
});

it('fuzz: no answer but one that proves the entry counts', async () => {
  const { wanted } = signed('fuzz');
  const good = await logInRekor(wanted, log(), task);
  const { key } = log();
  fuzz(
    mutatedBytes([JSON.stringify(good)]),
    (bytes) => {
      const entry = parseRekorEntry(bytes, 'ANSWER');
      verifyRekorEntry(entry, wanted, key, 'ANSWER');
      return entry;
    },
    { check: (entry) => expect(entry.canonicalizedBody).toBe(good.canonicalizedBody) },
  );
});
