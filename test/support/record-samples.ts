import { expect } from 'vitest';
import type { RecordFormat } from '../../src/base/read-record.ts';
import type { readBuildMeta } from '../../src/build/build-record-format.ts';
import { isBuildFolder, isPathBelow } from '../../src/build/record-values.ts';
import { BUILD_INDEX } from '../../src/published/build-index.ts';
import { PRUNE_EPOCH } from '../../src/published/epoch-format.ts';
import { PROMOTED, RETIRED } from '../../src/published/retired.ts';
import { SEARCH_INDEX } from '../../src/published/search-index.ts';
import { LATEST_POINTER, RELEASE_INDEX, STREAM_METADATA, TESTED_POINTER } from '../../src/published/stream-files.ts';
import { BOX_CATALOGUE } from '../../src/published/vagrant-catalogue.ts';

export const SHA = 'cd'.repeat(32);
const entry = { build: '20261121_01', commit: SHA, ref: 'a/b' };

/** The records of a target, each with a good one. */
export const FORMATS: readonly (readonly [name: string, format: RecordFormat<unknown>, sample: unknown])[] = [
  [
    'builds.json',
    BUILD_INDEX,
    {
      'schema-version': '1.0.0',
      builds: [{ id: '20261121_01', arches: ['x86_64'] }],
      timestamp: '2026-11-21T00:00:00Z',
    },
  ],
  [
    'retired.json',
    RETIRED,
    {
      commits: {
        [SHA]: {
          ref: 'a/b',
          version: '20261121_01',
          timestamp: 1,
          since: '2026-11-21T00:00:00Z',
          tree: SHA,
          meta: SHA,
        },
      },
      apart: { [SHA]: 'a/b' },
      builds: { '20261121_01/x86_64': { images: '2026-11-21T00:00:00Z' } },
    },
  ],
  [
    'search/builds.json.gz',
    SEARCH_INDEX,
    {
      version: 1,
      builds: [
        {
          ...{ id: '20261121_01', arch: 'x86_64', stream: 'nightly', state: 'complete' },
          begun: '2026-11-21T00:00:00Z',
        },
      ],
      packages: [['curl', [[0, 'upgraded', '1-1', '2-1']]]],
      without: ['20261120_01/x86_64'],
    },
  ],
  ['promoted.json', PROMOTED, { commits: { [SHA]: { build: '20261121_01', release: '20261121_02' } } }],
  [
    'prune.json',
    PRUNE_EPOCH,
    { epoch: 1, deleting: { token: 't', host: 'h', boot: 'b', pid: 1, since: '2026-11-21T00:00:00Z' } },
  ],
  ['tested.json', TESTED_POINTER, { stream: 'nightly', arches: { x86_64: entry } }],
  ['latest.json', LATEST_POINTER, { stream: 'nightly', arches: { x86_64: { ...entry, notes: 'https://x/notes' } } }],
  [
    'releases.json',
    RELEASE_INDEX,
    {
      note: 'x',
      stream: 'release',
      metadata: { 'last-modified': 'then' },
      releases: [{ version: '20261121_01', commits: [{ architecture: 'x86_64', checksum: SHA }], metadata: 'u' }],
    },
  ],
  [
    'streams/NAME.json',
    STREAM_METADATA,
    {
      stream: 'nightly',
      metadata: { 'last-modified': 'then', generator: 'x' },
      architectures: {
        x86_64: {
          artifacts: {
            iso: {
              release: '20261121_01',
              formats: { iso: { disk: { location: 'u', sha256: SHA, 'uncompressed-sha256': SHA } } },
            },
          },
          images: {},
        },
      },
    },
  ],
  [
    'vagrant/BOX.json',
    BOX_CATALOGUE,
    {
      name: 'b',
      description: 'd',
      versions: [
        {
          version: '20261121.1',
          providers: [{ name: 'libvirt', url: 'https://x/b', checksum_type: 'sha256', checksum: SHA }],
        },
      ],
    },
  ],
];

/** Nothing in a record that was accepted leads elsewhere. */
export function expectHarmless(meta: ReturnType<typeof readBuildMeta>): void {
  expect(isBuildFolder(`${meta.buildid}/${meta.basearch}`)).toBe(true);
  const images = [...Object.values(meta.images ?? {}), ...Object.values(meta.refusedImages ?? {})];
  const paths = images.map(({ path }) => path);
  const copy = meta.treefileCopy;
  for (const path of [...paths, ...(copy === undefined ? [] : [copy])]) expect(isPathBelow(path)).toBe(true);
  const names = [...Object.keys(meta.images ?? {}), ...(meta.published ?? []), ...meta.ref.split('/')];
  for (const name of names) expect(name).toMatch(/^\w[\w.-]*$/);
  const commit = meta.ostreeCommit;
  if (commit !== undefined) expect(commit).toMatch(/^[0-9a-f]{64}$/);
}
