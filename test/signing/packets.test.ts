import fc from 'fast-check';
import { readSignature, unarmor } from 'openpgp';
import { expect, it } from 'vitest';
import { armoredSignature, dearmored, signaturePackets } from '../../src/base/openpgp-packets.ts';
import { openSigner } from '../../src/signing/open-signer.ts';
import { makeFileKey } from '../support/openpgp-key.ts';
import { makeSigningKey } from '../support/signing-key.ts';
import { temporaryFolder, testTask } from '../support/tmp.ts';

/** A signature packet of that many bytes, in each form of header that can say its length (RFC 4880 section 4.2). */
function packetsOf(length: number): Buffer[] {
  const body = Buffer.alloc(length, 0xc3);
  const number = (bytes: number) => {
    const buffer = Buffer.alloc(bytes);
    buffer.writeUIntBE(length, 0, bytes);
    return buffer;
  };
  const old = [1, 2, 4]
    .filter((bytes) => length < 256 ** bytes)
    .map((bytes) => [0x88 + Math.log2(bytes), number(bytes)]);
  const fresh = length < 192 ? [number(1)] : length < 8384 ? [twoBytes(length)] : [];
  const five = Buffer.concat([Buffer.from([255]), number(4)]);
  const headers = [...old, ...[...fresh, five].map((bytes) => [0xc2, bytes])] as [number, Buffer][];
  return headers.map(([first, bytes]) => Buffer.concat([Buffer.from([first]), bytes, body]));
}

function twoBytes(length: number): Buffer {
  return Buffer.from([192 + Math.floor((length - 192) / 256), (length - 192) % 256]);
}

it('signature packets are told apart whatever their headers, and nothing else passes for one', () => {
  const packet = fc.integer({ min: 1, max: 20_000 }).chain((length) => fc.constantFrom(...packetsOf(length)));
  fc.assert(
    fc.property(fc.array(packet, { minLength: 1, maxLength: 4 }), fc.integer({ min: 1, max: 500 }), (packets, cut) => {
      const bytes = Buffer.concat(packets);
      expect(signaturePackets(bytes).map((one) => Buffer.from(one))).toEqual(packets);
      const last = packets.at(-1) ?? bytes;
      expect(() => signaturePackets(bytes.subarray(0, bytes.length - Math.min(cut, last.length - 1)))).toThrow();
    }),
    { numRuns: 50 },
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      fc.pre(((bytes[0] ?? 0) & 0xfc) !== 0x88 && bytes[0] !== 0xc2);
      expect(() => signaturePackets(bytes)).toThrow(/not an OpenPGP signature/);
    }),
  );
});

it('armor goes round, as others read and write it', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 300 }), async (bytes) => {
      const text = armoredSignature(bytes);
      expect(dearmored(Buffer.from(text))).toEqual(new Uint8Array(Buffer.from(bytes)));
      const read = await unarmor(text);
      expect(new Uint8Array(read.data as Uint8Array)).toEqual(new Uint8Array(Buffer.from(bytes)));
    }),
    { numRuns: 30 },
  );
});

it('what gpg and openpgp.js sign is one packet for each key', async () => {
  const dir = temporaryFolder();
  const task = testTask(dir);
  const one = await openSigner(await makeFileKey(dir)).sign(Buffer.from('x'), task);
  const two = await openSigner(await makeSigningKey(dir)).sign(Buffer.from('x'), task);
  const both = Buffer.concat([one, two]);
  expect(signaturePackets(both).map((packet) => Buffer.from(packet))).toEqual([Buffer.from(one), Buffer.from(two)]);
  expect((await readSignature({ armoredSignature: armoredSignature(both) })).packets).toHaveLength(2);
});
