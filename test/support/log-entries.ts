import fc from 'fast-check';
import type { LogEntry, LoggedFile } from '../../src/published/log-entry.ts';

const digest = (letter: string) => ({ sha256: letter.repeat(64), size: 12 });
const BUILD = {
  stream: 'nightly',
  id: '20261121_01',
  arch: 'x86_64',
  commit: 'c'.repeat(64),
  sums: digest('5'),
  record: digest('6'),
  files: [
    { path: 'images/atomic.qcow2', ...digest('1') },
    { path: 'images/atomic.qcow2.asc', ...digest('2') },
    { path: 'lockfile.json', ...digest('3') },
  ],
};

/** An entry of each kind. */
export const ENTRIES: readonly LogEntry[] = [
  {
    kind: 'ref',
    ref: 'atomic/x86_64/nightly',
    commit: 'c'.repeat(64),
    parent: 'b'.repeat(64),
    version: '20261121_01',
    timestamp: 1_795_000_000,
  },
  { kind: 'ref', ref: 'größe/ü', commit: 'c'.repeat(64), timestamp: 0 },
  { kind: 'build', ...BUILD },
  { kind: 'build', ...BUILD, part: { number: 2, of: 3 } },
  { kind: 'build-changed', ...BUILD, change: 'images', gone: ['images/old.iso'] },
  {
    kind: 'release',
    stream: 'stable',
    id: '20261122_01',
    arch: 'x86_64',
    ref: 'atomic/x86_64/stable',
    commit: 'd'.repeat(64),
    of: { id: '20261121_01', commit: 'c'.repeat(64) },
    previous: '20261101_01',
    at: 1_795_100_000,
  },
  {
    kind: 'withdraw',
    stream: 'stable',
    arch: 'x86_64',
    ids: ['20261122_01'],
    by: '20261123_01',
    commit: 'e'.repeat(64),
    previous: '20261101_01',
    reason: 'breaks "boot" on \\ € 𝄞',
  },
  {
    kind: 'prune',
    commits: ['a'.repeat(64), 'b'.repeat(64)],
    builds: [{ id: '20261001_01', arch: 'x86_64', gone: ['images', 'logs'] }],
  },
  { kind: 'prune', target: 'https://buildlogs.example.org/atomic', commits: ['a'.repeat(64)], builds: [] },
  { kind: 'rpms', folder: 'rpms/nightly', files: [{ path: 'repodata/repomd.xml', ...digest('7') }] },
  {
    kind: 'key',
    use: 'openpgp',
    stream: 'nightly',
    current: ['0123456789ABCDEF0123456789ABCDEF01234567'],
    next: [],
    file: { path: 'get/nightly.gpg', ...digest('8') },
  },
  { kind: 'tool', file: { path: 'get/verify.sh', ...digest('9') }, version: '1.0.0' },
];

const hex = fc.stringMatching(/^[0-9a-f]{64}$/);
const size = fc.maxSafeNat();
const path = fc.stringMatching(/^[a-z€]{1,12}(\/[\w 𝄞-]{1,12}){0,3}$/u);
const summed: fc.Arbitrary<LoggedFile> = fc.record({ path, sha256: hex, size });
const files = fc.uniqueArray(summed, { selector: (one) => one.path, maxLength: 30 });

/** Builds with any files, in any order. */
export const anyBuild: fc.Arbitrary<LogEntry> = fc
  .record({ files, gone: fc.uniqueArray(path), sums: fc.record({ sha256: hex, size }), commit: hex })
  .map(({ gone, ...some }) => ({ ...BUILD, kind: 'build-changed', change: 'repaired', ...some, gone }));
