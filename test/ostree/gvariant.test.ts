import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeVariant, encodeVariant, swap64, type VariantValue } from '../../src/ostree/gvariant.ts';
import { isType, parseType } from '../../src/ostree/gvariant-type.ts';

/** A type string with values of it. */
interface Typed {
  readonly type: string;
  readonly value: VariantValue;
}

const text = fc.string({ unit: 'grapheme' }).filter((value) => !value.includes('\0'));
const leaves: fc.Arbitrary<fc.Arbitrary<Typed>> = fc.constantFrom<fc.Arbitrary<Typed>>(
  fc.boolean().map((value) => ({ type: 'b', value })),
  fc.integer({ min: 0, max: 255 }).map((value) => ({ type: 'y', value })),
  fc.integer({ min: 0, max: 65535 }).map((value) => ({ type: 'q', value })),
  fc.integer({ min: -32768, max: 32767 }).map((value) => ({ type: 'n', value })),
  fc.integer().map((value) => ({ type: 'i', value })),
  fc.integer({ min: 0, max: 0xffff_ffff }).map((value) => ({ type: 'u', value })),
  fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map((value) => ({ type: 't', value })),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map((value) => ({ type: 'x', value })),
  fc.double({ noNaN: true }).map((value) => ({ type: 'd', value })),
  text.map((value) => ({ type: 's', value })),
  fc.uint8Array().map((value) => ({ type: 'ay', value })),
  fc.array(text).map((value) => ({ type: 'as', value })),
  fc.array(fc.tuple(text, text)).map((value) => ({ type: 'a(ss)', value })),
  fc
    .array(fc.tuple(fc.integer({ min: 0, max: 9 }), fc.bigInt({ min: 0n, max: 9n })))
    .map((value) => ({ type: 'a(yt)', value })),
  fc.option(text).map((value) => ({ type: 'ms', value: value === null ? null : [value] })),
);

/** Any value, in nested tuples, dictionaries and variants. */
const typed: fc.Arbitrary<Typed> = fc.letrec<{ any: Typed }>((tie) => ({
  any: fc.oneof(
    { maxDepth: 3 },
    leaves.chain((leaf) => leaf),
    fc.array(tie('any'), { minLength: 1, maxLength: 4 }).map((members) => ({
      type: `(${members.map(({ type }) => type).join('')})`,
      value: members.map(({ value }) => value),
    })),
    tie('any').map((inner) => ({ type: 'v', value: inner })),
    fc.array(fc.tuple(text, tie('any')), { maxLength: 3 }).map((entries) => ({ type: 'a{sv}', value: entries })),
  ),
})).any;

describe('GVariant', () => {
  it('decodes what it encodes, whatever the type', () => {
    fc.assert(
      fc.property(typed, ({ type, value }) => {
        expect(decodeVariant(type, encodeVariant(type, value))).toEqual(value);
      }),
    );
  });

  it('never does worse than throw on arbitrary bytes', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('a{sv}', '(a{sv}aya(say)sstayay)', '(a(say)a(sayay))', 'v', 'aa{sv}'),
        fc.uint8Array({ maxLength: 300 }),
        (type, bytes) => {
          try {
            decodeVariant(type, bytes);
          } catch (error) {
            expect(error).toBeInstanceOf(Error);
          }
        },
      ),
    );
  });

  it('encodes as the specification says', () => {
    // Examples of the GVariant Specification 1.0, section 2.5.2 (nested structure, with little-endian numbers).
    const hex = (type: string, value: VariantValue): string => Buffer.from(encodeVariant(type, value)).toString('hex');
    expect(hex('(si)', ['foo', -1])).toBe('666f6f00ffffffff04');
    expect(hex('as', ['i', 'can', 'has', 'strings?'])).toBe('690063616e0068617300737472696e67733f0002060a13');
    expect(hex('a{si}', [['hi', -2]])).toBe('6869000' + '0feffffff0309');
    expect(
      hex('((ys)as)', [
        [105, 'can'],
        ['has', 'strings?'],
      ]),
    ).toBe('6963616e0068617300737472696e67733f00040d05');
  });

  it('knows alignment and fixed sizes', () => {
    expect(parseType('(uuu)')).toMatchObject({ alignment: 4, fixedSize: 12 });
    expect(parseType('(yt)')).toMatchObject({ alignment: 8, fixedSize: 16 });
    expect(parseType('a{sv}')).toMatchObject({ alignment: 8, fixedSize: undefined });
    expect(isType('(s')).toBe(false);
    expect(isType('ss')).toBe(false);
    expect(isType('')).toBe(false);
  });

  it('swaps bytes', () => {
    expect(swap64(1n)).toBe(2n ** 56n);
  });
});
