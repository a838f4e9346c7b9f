import { generateKeyPairSync } from 'node:crypto';
import { expect, it } from 'vitest';
import { parseProbe } from '../../src/builders/probe-report.ts';
import { faultOfQuote, NoQuote, parseQuote, quoteCommand, wantsRetry } from '../../src/builders/tpm-quote.ts';
import { parseCommitment, parseJobState } from '../../src/rebuild/far-job.ts';
import { fuzz, mutatedBytes, mutatedText } from '../support/fuzz.ts';

const DIGEST = 'a'.repeat(64);

const PROBE = `link /bin usr/bin
file ${DIGEST}  /usr/bin/sh
stat 81ed 0 0 /usr/bin/sh
to /usr/bin/awk -> mawk
exe 1 ${DIGEST} /usr/bin/sh
tracer 1 0
map 1 /usr/bin/sh
kernel 6.1.0 #1
cmdline quiet
tainted 0
module zfs POE
mount 1 0 8:1 / / rw - ext4 /dev/vda rw
text /sys/kernel/security/lsm lockdown
end
`;

it('a report of a machine is read or refused', () => {
  fuzz(mutatedText([PROBE]), (report) => parseProbe(report, 'alpha'));
});

it('what a machine says of a job is read or refused', () => {
  fuzz(mutatedText(['run 12 4096', '0 5 6']), (line) => parseJobState(line, 'alpha'));
  fuzz(mutatedText([`${DIGEST} 12 a-1-1.noarch.rpm\n.\nAAAA\n`]), (answer) => parseCommitment(answer, 'alpha'), {
    check: ({ packages }) => expect(packages.every(({ file }) => /^[\w.+~^-]+\.rpm$/.test(file))).toBe(true),
  });
});

/** What swtpm 0.7.1 answered to a question of 32 bytes 07 about the registers 0, 1 and 7, with a key on P-256. */
const QUOTE = Buffer.from(
  [
    '8002000000ee00000000000000db0091ff54434780180022000b8c866c925f4ea93f5576db37ed27740fa8b91ceefe57',
    'f64c511794ae8d3c49440020070707070707070707070707070707070707070707070707070707070707070700000000',
    '0006641df5c1eb4ff9865eb4016e69a2c3085e0b9d00000001000b0383000000202ea9ab9198d1638007400cd2c3bef1',
    'cc745b864b76011a0e1bc52180ac6452d40018000b0020f826d984f8a35dca27fef8554aa340e6af8c7b6eae43037229',
    'd5c4965678abe20020dd8a3a1cb9a2230578404c80efea97f38ab761cc562453ad0edebd50baa23d560000010000',
  ].join(''),
  'hex',
);

it('the answer of a TPM is read or refused', () => {
  const key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey;
  const request = { handle: 0x81010002, pcrs: [0, 1, 7], nonce: Buffer.alloc(32, 7) };
  expect(parseQuote(QUOTE)).toMatchObject({ nonce: request.nonce, selections: [{ hash: 11, pcrs: request.pcrs }] });
  expect(quoteCommand(request)).toHaveLength(73);
  const judged = (bytes: Uint8Array) => {
    const answer = Buffer.from(bytes);
    return [wantsRetry(answer), faultOfQuote(parseQuote(answer), request, key)];
  };
  fuzz(mutatedBytes([QUOTE]), judged, {
    refusals: [NoQuote],
    check: (found) => expect(found).toEqual([false, 'is not signed by the key that was enrolled']),
  });
});
