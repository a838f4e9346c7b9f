import { describe, expect, it } from 'vitest';
import { NightlyError } from '../../src/base/errors.ts';
import { openCheckpoint } from '../../src/log/checkpoint.ts';
import { cosign } from '../../src/log/cosignature.ts';
import { signatureLine } from '../../src/log/note.ts';
import { formatVkey, noteSigner, parsePrivateKey, parseVkey } from '../../src/log/note-keys.ts';
import { isQuorum, parsePolicy } from '../../src/log/policy.ts';
import { LOG, memoryLog, VECTORS } from '../support/log-files.ts';

const PLACE = { file: 'FILE' };
const SIGNERS = [1, 2, 3, 4, 5].map((seed) => noteSigner(`w${seed}.example`, 'cosignature', Buffer.alloc(32, seed)));
const LINES = SIGNERS.map((one, index) => `witness w${index + 1} ${formatVkey(one)} https://w${index + 1}.example/`);
const policy = (...lines: readonly string[]) =>
  parsePolicy(
    Buffer.from(
      [`# whom we trust`, `log ${VECTORS.logVkey} https://lab.example/log`, ...LINES, ...lines, ''].join('\n'),
    ),
    PLACE,
  );

describe('policies', () => {
  it.each([
    ['quorum none', [], true],
    ['quorum w2', [1], false],
    ['quorum w2', [2], true],
    ['group g all w1 w2\nquorum g', [1], false],
    ['group g all w1 w2\nquorum g', [1, 2], true],
    ['group g any w1 w2\nquorum g', [2], true],
    ['group g 2 w1 w2 w3\nquorum g', [3], false],
    ['group g 2 w1 w2 w3\nquorum g', [1, 3], true],
    ['group a any w1 w2\ngroup b all w3 w4\ngroup g all a b\nquorum g', [1, 3], false],
    ['group a any w1 w2\ngroup b all w3 w4\ngroup g all a b\nquorum g', [2, 3, 4], true],
    ['group g 2 w1 w2 w3\nquorum g', [4, 5], false],
  ])('%s with cosignatures of %j: %s', (text, who, outcome) => {
    const { witnesses, quorum, logs } = policy(...text.split('\n'));
    const { checkpoint } = memoryLog(3);
    const note = checkpoint.slice(0, checkpoint.indexOf('\n\n') + 1);
    const lines = who.map((seed) => signatureLine(cosign(note, 1_700_000_000, SIGNERS[seed - 1] ?? LOG)));
    const keys = { log: logs[0]?.key ?? LOG, witnesses: witnesses.map(({ key }) => key) };
    const { cosigned } = openCheckpoint(Buffer.from(checkpoint + lines.join('')), keys, PLACE);
    expect(isQuorum(quorum, cosigned)).toBe(outcome);
  });

  it.each([
    ['', 'there is no quorum'],
    ['quorum none\nquorum none', 'second quorum'],
    ['quorum g\ngroup g all w1', 'defined before'],
    ['group g all w1 w9\nquorum g', '"w9" is no witness'],
    ['group g all w1\ngroup h all w1\nquorum h', 'in a group already'],
    ['group g all w1 w1\nquorum g', 'in a group already'],
    ['group w1 all w2\nquorum w1', 'defined twice'],
    ['group g 3 w1 w2\nquorum g', 'from 1 to 2'],
    ['group g 0 w1 w2\nquorum g', 'from 1 to 2'],
    ['group g all\nquorum g', 'too few'],
    ['group none all w1\nquorum none', 'cannot be a name'],
    ['quorum none none', 'too many'],
    ['witnes w6 x\nquorum none', 'begins with "witnes"'],
    [
      `witness w6 ${formatVkey(noteSigner('other.example', 'cosignature', Buffer.alloc(32, 1)))}\nquorum none`,
      'stands twice',
    ],
    [`witness w6 ${VECTORS.logVkey}\nquorum none`, 'another kind'],
    ['witness w6 w6.example+00000000+BAAA\nquorum none', 'no key of a log or witness'],
    [`log ${formatVkey(LOG).replace('37d63fe0', '37d63fe1')}\nquorum none`, 'its id is 37d63fe1'],
  ])('refuses %j', (text, why) => {
    expect(() => policy(...text.split('\n'))).toThrow(why);
    try {
      policy(...text.split('\n'));
    } catch (error) {
      expect(error instanceof NightlyError && [error.code, error.place?.file]).toEqual(['log', 'FILE']);
    }
  });

  it('names the line', () => {
    expect(() => policy('', 'nonsense')).toThrow(expect.objectContaining({ place: { file: 'FILE', line: 9 } }));
  });
});

describe('keys', () => {
  it.each([
    '',
    'x',
    'a+b+c',
    'a b+37d63fe0+AQ==',
    `${VECTORS.logVkey} `,
    VECTORS.logVkey.replace('AQOh', 'AgOh'),
    VECTORS.logVkey.slice(0, -1),
  ])('refuses %j', (text) => {
    expect(() => parseVkey(text, PLACE)).toThrow(NightlyError);
  });

  it('tells nothing of a private key that is malformed', () => {
    const secret = Buffer.alloc(31, 9).toString('base64');
    for (const text of [`PRIVATE+KEY+a+00000000+${secret}`, secret, `PRIVATE+KEY+a+00000000+AQ${secret}`]) {
      try {
        parsePrivateKey(text, PLACE);
        throw new Error('accepted');
      } catch (error) {
        expect(error instanceof NightlyError && !error.message.includes(secret.slice(0, 8))).toBe(true);
      }
    }
  });
});
