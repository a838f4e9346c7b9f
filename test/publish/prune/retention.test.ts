import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { keptCommits, policyOf } from '../../../src/publish/prune/retention.ts';

const NOW = 1_000_000;

const histories = fc
  .array(fc.array(fc.record({ id: fc.nat(30), age: fc.nat(200) }), { minLength: 1, maxLength: 12 }), {
    minLength: 1,
    maxLength: 4,
  })
  .map((lists) =>
    lists.map((list, index) => ({
      ref: `r${index}`,
      commits: list.map(({ id, age }) => ({ checksum: `c${id}`, timestamp: NOW - age })),
    })),
  );

const policies = fc.array(
  fc
    .record({
      depth: fc.option(fc.integer({ min: 1, max: 12 })),
      age: fc.option(fc.nat(200)),
    })
    .map(({ depth, age }) => ({
      ...(depth === null ? {} : { depth }),
      // A policy must say something.
      ...(age === null && depth !== null ? {} : { ageSeconds: age ?? 0 }),
    })),
  { minLength: 4, maxLength: 4 },
);

describe('keptCommits', () => {
  it('I8: never drops what a ref names, what was promoted, or what depth or age of any ref keeps; drops all else', () => {
    fc.assert(
      fc.property(histories, policies, fc.array(fc.nat(30)), (walks, rules, ids) => {
        const promoted = new Set(ids.map((id) => `c${id}`));
        const named = rules.map((rule, index) => ({ pattern: `r${index}`, ...rule }));
        const kept = keptCommits({ histories: walks, policies: named, promoted, now: NOW, target: 't' });
        const wanted = new Set(promoted);
        walks.forEach(({ commits }, index) => {
          const { depth = 0, ageSeconds = 0 } = rules[index] ?? {};
          for (const { checksum } of commits.slice(0, Math.max(1, depth))) wanted.add(checksum);
          for (const { checksum, timestamp } of commits) if (NOW - timestamp < ageSeconds) wanted.add(checksum);
        });
        expect(new Set(kept.keys())).toEqual(wanted);
        for (const reasons of kept.values()) expect(reasons.size).toBeGreaterThan(0);
      }),
      { numRuns: 500 },
    );
  });

  it('tells a commit that only another ref names', () => {
    const commits = ['c3', 'c2', 'c1'].map((checksum, n) => ({ checksum, timestamp: 30 - n }));
    const question = {
      histories: [
        { ref: 'nightly', commits },
        { ref: 'tested', commits: commits.slice(1) },
      ],
      policies: [{ pattern: '*', depth: 1 }],
      promoted: new Set<string>(),
      buildTagged: new Set(['c1']),
      now: 100,
      target: 't',
    };
    expect(Object.fromEntries([...keptCommits(question)].map(([commit, why]) => [commit, [...why]]))).toEqual({
      c3: ['ref', 'depth'],
      c2: ['tagged', 'ref', 'depth'],
      c1: ['build-tag'],
    });
  });
});

describe('policyOf', () => {
  const policies = ['a/x86_64/nightly', 'a/*/next', '*/tested', 'b/*', '*-x-*-z'].map((pattern) => ({
    pattern,
    depth: 1,
  }));
  it.each([
    ['a/x86_64/nightly', 'a/x86_64/nightly'],
    ['a/aarch64/next', 'a/*/next'],
    ['a/b/c/next', 'a/*/next'],
    ['a/x86_64/tested', '*/tested'],
    ['b/', 'b/*'],
    ['b/x/tested', '*/tested'],
    ['1-x-2-z', '*-x-*-z'],
    ['1-x-2-x-z', '*-x-*-z'],
  ])('finds for %s the first that matches: %s', (ref, pattern) => {
    expect(policyOf(ref, policies, 't').pattern).toBe(pattern);
  });

  it.each(['a/x86_64/nightly2', 'xa/x86_64/nightly', 'a/next', 'tested', 'b', '-x-z', 'a.x86_64.nightly'])(
    'I8: stops at %s, which none matches, and says what to add',
    (ref) => {
      expect(() => policyOf(ref, policies, 't')).toThrow(
        expect.objectContaining({ code: 'config', hint: expect.stringContaining(`'${ref}': {depth:`) }),
      );
    },
  );

  it('I8: stops at a policy that says nothing', () => {
    expect(() => policyOf('r', [{ pattern: 'r' }], 't')).toThrow(/neither depth nor age/);
  });
});
