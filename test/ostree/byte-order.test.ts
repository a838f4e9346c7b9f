import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { sha256 } from '../../src/base/files.ts';
import { variantOfJson } from '../../src/engines/dnf/commit-gvariant.ts';
import { swap64 } from '../../src/ostree/gvariant.ts';
import { commitSeconds, objectPath, parseCommit, readCommit } from '../../src/ostree/objects.ts';
import { rewriteCommit, writeRewritten } from '../../src/ostree/rewrite-commit.ts';
import { run } from '../../src/programs/exec.ts';
import { downgrades, packageDiff } from '../../src/rpm/pkgdiff.ts';
import { refuseStale } from '../../src/steps/compose/repositories.ts';
import { gvariantTime } from '../support/gvariant-time.ts';
import { commitTestTree, makeRepo } from '../support/ostree-repo.ts';
import { RECORDED } from '../support/recorded-commits.ts';
import { temporaryFolder, testTask } from '../support/tmp.ts';

const day = (seconds: number) => new Date(seconds * 1000).toISOString().slice(0, 10);
const first = parseCommit(RECORDED.first.checksum, RECORDED.first.bytes);
const second = parseCommit(RECORDED.second.checksum, RECORDED.second.bytes);

test.each(Object.entries(RECORDED))("rpm-ostree's own %s commit is read as it was meant", (_, { checksum, bytes }) => {
  expect(sha256(bytes)).toBe(checksum);
  const { repoTimestamps, timestamp, packages, version, inputHash, parent, metadata } = parseCommit(checksum, bytes);
  expect(Object.keys(repoTimestamps ?? {})).toEqual(['lab-base', 'lab-sig-atomic']);
  expect(Object.values(repoTimestamps ?? {}).map(day)).toEqual(['2026-11-28', '2026-11-28']);
  expect(day(timestamp)).toBe('2026-11-28');
  expect(packages).toHaveLength(199);
  expect(version).toMatch(/^20261128_0[15]$/);
  expect(inputHash).toMatch(/^[0-9a-f]{64}$/);
  expect(metadata.get('rpmostree.initramfs-args')?.type).toBe('as');
  // Encoded again, it is the same commit: nothing is lost in reading.
  expect(sha256(rewriteCommit(bytes, { parent, timestamp, metadata: {} }))).toBe(checksum);
});

test("rpm-ostree's two nights are compared: what was upgraded, and what would go back", () => {
  expect(second.parent).toBe(first.checksum);
  const [before, after] = [first.packages ?? [], second.packages ?? []];
  const changed = packageDiff(before, after).map(([name, kind]) => `${name} ${kind}`);
  expect(changed).toContain('ca-certificates 2');
  const evra = ({ epoch, version, release, arch }: (typeof before)[number]) =>
    `${epoch === '0' ? '' : `${epoch}:`}${version}-${release}.${arch}`;
  const lockfile = {
    packages: Object.fromEntries(before.map((id) => [id.name, { evra: evra(id) }])),
    metadata: {},
  };
  expect(downgrades(after, lockfile).map(({ name }) => name)).toContain('ca-certificates');
  expect(downgrades(before, lockfile)).toEqual([]);
});

test('I5: metadata older than a commit of rpm-ostree was made from is refused, to the second', () => {
  const task = testTask(temporaryFolder());
  const known = second.repoTimestamps?.['lab-base'] ?? 0;
  const state = { id: 'lab-base', url: 'http://x/', sha256: '', revision: '', generated: known };
  expect(() => refuseStale(state, second, task)).not.toThrow();
  expect(() => refuseStale({ ...state, generated: known - 1 }, second, task)).toThrow(
    /metadata of 2026-11-28T.*, but the published commit was made from metadata of 2026-11-28T.*the mirror lags behind/,
  );
  expect(task.lines).toEqual([]);
});

test('a time that no calendar has is never shown, and its repository is named as unchecked', () => {
  const entry = (seconds: bigint) => [
    ['id', { type: 's', value: 'lab-base' }],
    ['timestamp', { type: 't', value: swap64(seconds) }],
  ];
  const odd = rewriteCommit(RECORDED.second.bytes, {
    ...{ parent: undefined, timestamp: 1 },
    metadata: { 'rpmostree.rpmmd-repos': { type: 'aa{sv}', value: [entry(2n ** 63n + 5n)] } },
  });
  const parent = parseCommit('0'.repeat(64), odd);
  expect(parent.repoTimestamps).toEqual({});
  const task = testTask(temporaryFolder());
  refuseStale({ id: 'lab-base', url: 'http://x/', sha256: '', revision: '', generated: 1 }, parent, task);
  expect(task.lines).toEqual([expect.stringContaining('names no time for repository "lab-base"')]);
  const late = rewriteCommit(RECORDED.second.bytes, { parent: undefined, timestamp: 2 ** 52, metadata: {} });
  expect(() => parseCommit('0'.repeat(64), late)).toThrow(/is not a commit: .*after the year 9999/);
});

test('entries of another form do not make a commit unreadable', () => {
  const strange = [
    [['id', { type: 's', value: 'no-time' }]],
    [['timestamp', { type: 't', value: 5n }]],
    [
      ['id', { type: 'x', value: 5n }],
      ['timestamp', { type: 's', value: 'x' }],
    ],
  ];
  const bytes = rewriteCommit(RECORDED.first.bytes, {
    ...{ parent: undefined, timestamp: 1 },
    metadata: { 'rpmostree.rpmmd-repos': { type: 'aa{sv}', value: strange } },
  });
  expect(parseCommit('0'.repeat(64), bytes).repoTimestamps).toEqual({});
});

test('either byte order of a time before 2106 has one reading only', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2 ** 32 - 1 }), (seconds) => {
      expect(commitSeconds(BigInt(seconds))).toBe(seconds);
      expect(commitSeconds(swap64(BigInt(seconds)))).toBe(seconds);
    }),
  );
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), (stored) => {
      const seconds = commitSeconds(stored);
      if (seconds !== undefined) expect(() => new Date(seconds * 1000).toISOString()).not.toThrow();
    }),
  );
});

test('what we write is big-endian: "ostree show --raw" reads it as rpm-ostree\'s', async () => {
  const repo = await makeRepo(temporaryFolder());
  const json = { whole: -7, half: 0.5, nested: [{ n: 3 }, true, 'text'] };
  const made = await commitTestTree({
    repo,
    tree: { a: '1' },
    metadata: { 'rpmostree.rpmmd-repos': `@aa{sv} [{'id': <'base'>, 'timestamp': <${gvariantTime(1_796_000_000)}>}]` },
  });
  const metadata = { 'their.json': variantOfJson(json) };
  const commit = await writeRewritten(repo, made, { parent: undefined, timestamp: 1, metadata });
  expect((await readCommit(repo, commit)).repoTimestamps).toEqual({ base: 1_796_000_000 });
  const raw = async (of: string) => (await run('ostree', [`--repo=${repo}`, 'show', '--raw', of])).stdout;
  expect(await raw(commit)).toContain("'timestamp': <uint64 1796000000>");
  expect(await raw(commit)).toMatch(/'whole': <int64 -7>.*'half': <0\.5>.*'n': <int64 3>/s);
  // rpm-ostree's own, put into the same repository.
  const path = join(repo, objectPath(RECORDED.first.checksum, 'commit'));
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, RECORDED.first.bytes);
  expect(await raw(RECORDED.first.checksum)).toContain("'timestamp': <uint64 1795885280>");
});

test('a fraction that ostree cannot be given turned around is refused, not written as another', () => {
  const number = Buffer.from('3ff000000000f07f', 'hex').readDoubleBE();
  expect(() => variantOfJson(number)).toThrow(/The number 1\.\d+ of add-commit-metadata cannot be written/);
});
