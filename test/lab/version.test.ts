import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Evr, evrOfDebianVersion, formatEvr } from '../../src/lab/version.ts';

/** Many comparisons in one process each, by the programs whose order is to be kept. */
function dpkgOrder(pairs: readonly (readonly [string, string])[]): number[] {
  const script =
    'while read -r a b; do if dpkg --compare-versions "$a" lt "$b"; then echo -1; elif dpkg --compare-versions "$a" eq "$b"; then echo 0; else echo 1; fi; done';
  const input = pairs.map((pair) => pair.join(' ')).join('\n');
  return lines(execFileSync('bash', ['-c', script], { input: `${input}\n`, stdio: ['pipe', 'pipe', 'ignore'] }));
}

function rpmOrder(pairs: readonly (readonly [Evr, Evr])[]): number[] {
  const quote = (evr: Evr): string => `'${evr.epoch}:${evr.version}-${evr.release}'`;
  const macro = pairs.map(([a, b]) => `%{lua:print(rpm.vercmp(${quote(a)}, ${quote(b)}))}`).join('\n');
  return lines(execFileSync('rpm', ['--eval', macro]));
}

const lines = (output: Buffer): number[] => output.toString().trim().split('\n').map(Number);

const number = fc.oneof(fc.nat(30), fc.constantFrom(0, 1, 9, 10, 20230101)).map(String);
const usual = fc.oneof(
  number.map((n) => `.${n}`),
  number.map((n) => `~rc${n}`),
  number.map((n) => `~${n}`),
  number.map((n) => `+deb12u${n}`),
  number.map((n) => `~deb12u${n}`),
  number.map((n) => `+b${n}`),
  number.map((n) => `+git${n}`),
  fc.constantFrom('+dfsg', '.dfsg', '+ds1', 'a', 'p1', 'z', '~', '~~', '+', '.', '+really1.2'),
);
const odd = fc.string({ unit: fc.constantFrom(...'01azAZdeb.+~-'), maxLength: 7 });
const part = fc.tuple(number, fc.array(fc.oneof(usual, odd), { maxLength: 4 })).map(([n, parts]) => n + parts.join(''));
const version = fc
  .tuple(fc.option(fc.nat(2)), part, fc.option(fc.oneof(part, odd).map((text) => text.replaceAll('-', '') || '1')))
  .map(
    ([epoch, upstream, revision]) =>
      `${epoch === null ? '' : `${epoch}:`}${upstream}${revision === null ? '' : `-${revision}`}`,
  );
/** dpkg refuses an empty revision. */
const valid = ([a, b]: readonly [string, string]): boolean => !a.endsWith('-') && !b.endsWith('-');
/** Half the pairs share a beginning, where the differences that matter are. */
const pair = fc
  .oneof(
    fc.tuple(version, version),
    fc.tuple(part, odd, odd).map(([start, a, b]): [string, string] => [start + a, start + b]),
    fc.tuple(part, usual, usual).map(([start, a, b]): [string, string] => [`${start}${a}-1`, `${start}${b}-1`]),
  )
  .filter(valid);

describe('evrOfDebianVersion', () => {
  it.each([
    ['252.39-1~deb12u2', '252.39-1~deb12u2'],
    ['2.36-9+deb12u14', '2.36-9+deb12u14'],
    ['1:9.2p1-2+deb12u7', '1:9.2^p1-2+deb12u7'],
    ['0.5.12-2', '0.5.12-2'],
    ['5.36.0', '5.36.0-0'],
    ['1.18.0-3+b1', '1.18.0-3+b1'],
    ['1:1.2.13.dfsg-1', '1:1.2.13.9999999999999999dfsg0-1'],
    ['4.3~', '4.3~^0-0'],
    ['1.0-rc1-2', '1.0zfrc1-2'],
  ])('maps %s to %s', (debian, rpm) => {
    expect(formatEvr(evrOfDebianVersion(debian))).toBe(rpm);
  });

  it('keeps the order of any two versions', () => {
    fc.assert(
      fc.property(fc.array(pair, { minLength: 100, maxLength: 100 }), (pairs) => {
        const mapped = pairs.map(([a, b]) => [evrOfDebianVersion(a), evrOfDebianVersion(b)] as const);
        const expected = dpkgOrder(pairs);
        const seen = rpmOrder(mapped);
        const wrong = pairs
          .map(([a, b], at) => ({ a, b, dpkg: expected[at], rpm: seen[at], mapped: mapped[at]?.map(formatEvr) }))
          .filter(({ dpkg, rpm }) => dpkg !== rpm);
        expect(wrong).toEqual([]);
      }),
      { numRuns: 5, endOnFailure: true },
    );
  });

  it('never makes a version or release that RPM refuses', () => {
    fc.assert(
      fc.property(version, (text) => {
        const evr = evrOfDebianVersion(text);
        expect(evr.version).toMatch(/^[\w.+~^]+$/);
        expect(evr.release).toMatch(/^[\w.+~^]+$/);
      }),
    );
  });

  it('refuses a number too long to be kept in order', () => {
    expect(() => evrOfDebianVersion(`1.${'1'.repeat(16)}`)).toThrow(/more than 15 digits/);
  });
});
