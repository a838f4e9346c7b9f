import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { run } from '../../src/programs/exec.ts';
import { compareEvr, compareVersions, formatEvra, parseEvra } from '../../src/rpm/evr.ts';

/** What rpm itself says of each pair: -1, 0 or 1. */
async function rpmCompares(pairs: readonly (readonly [string, string])[]): Promise<number[]> {
  const list = pairs.map(([a, b]) => `{"${a}","${b}"}`).join(',');
  const script = `for _, p in ipairs({${list}}) do print(rpm.vercmp(p[1], p[2]) .. " ") end`;
  const { stdout } = await run('rpm', ['--eval', `%{lua: ${script}}`]);
  return stdout.trim().split(/\s+/).map(Number);
}

/** Versions made of the pieces where the comparison has its corners. */
const version = fc
  .array(
    fc.constantFrom(
      '0',
      '1',
      '9',
      '10',
      '010',
      '2',
      'a',
      'b',
      'rc',
      'Z',
      '~',
      '^',
      '.',
      '_',
      '+',
      '..',
      '99999999999999999999',
    ),
    {
      minLength: 1,
      maxLength: 7,
    },
  )
  .map((parts) => parts.join(''));

describe('compareVersions', () => {
  it('agrees with rpm on known corners', async () => {
    const pairs: [string, string][] = [
      ['1.0', '1.0'],
      ['1.0', '1.1'],
      ['1.10', '1.9'],
      ['1.0~rc1', '1.0'],
      ['1.0~rc1', '1.0~rc2'],
      ['1.0^git1', '1.0'],
      ['1.0^git1', '1.0.1'],
      ['1.0^git1~pre', '1.0^git1'],
      ['1.0~', '1.0~~'],
      ['1.0^', '1.0'],
      ['a', '1'],
      ['1a', '1'],
      ['1.0.', '1.0'],
      ['00', '0'],
      ['~', '0'],
      ['^', '~'],
      ['2_0', '2.0'],
      ['fc4', 'fc.4'],
    ];
    expect(pairs.map(([a, b]) => compareVersions(a, b))).toEqual(await rpmCompares(pairs));
  });

  it('agrees with rpm on any two versions', async () => {
    const pairs = fc.sample(fc.tuple(version, version), 1500);
    const said = await rpmCompares(pairs);
    expect(said).toHaveLength(pairs.length);
    const differ = pairs.filter(([a, b], index) => compareVersions(a, b) !== said[index]);
    expect(differ).toEqual([]);
  });

  it('turns around when its arguments do', () => {
    fc.assert(fc.property(version, version, (a, b) => compareVersions(a, b) === 0 - compareVersions(b, a)));
  });
});

describe('compareEvr', () => {
  it('takes the epoch first, as a number', () => {
    expect(compareEvr({ epoch: '10', version: '1', release: '1' }, { epoch: '9', version: '2', release: '1' })).toBe(1);
    expect(compareEvr({ epoch: '0', version: '1', release: '1' }, { epoch: '0', version: '1', release: '2' })).toBe(-1);
  });
});

describe('parseEvra', () => {
  it('reads back what formatEvra writes', () => {
    const part = fc.stringMatching(/^[a-z0-9.~^_+]{1,8}$/);
    fc.assert(
      fc.property(
        fc.nat(20).map(String),
        part,
        part,
        fc.constantFrom('x86_64', 'noarch'),
        (epoch, version, release, arch) => {
          const evra = { epoch, version, release, arch };
          expect(parseEvra(formatEvra(evra))).toEqual(evra);
        },
      ),
    );
  });

  it('gives undefined for what is no EVRA', () => {
    for (const text of ['', '1.0', '1.0-1', 'x:1-1.noarch', '1-1-1.noarch']) expect(parseEvra(text)).toBeUndefined();
  });
});
