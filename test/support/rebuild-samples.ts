import type { ComposeRebuild } from '../../src/attest/compose-rebuild.ts';

const [A, B] = ['a'.repeat(64), 'b'.repeat(64)];

/** A statement of somebody who got the same tree. */
export const IDENTICAL: ComposeRebuild = {
  rebuilder: 'https://alice.example/rebuilds',
  build: { id: '20261121_02', arch: 'x86_64', stream: 'nightly', ref: 'mini/x86_64/nightly' },
  commit: A,
  published: B,
  rebuilt: B,
  verdict: 'identical',
  differences: { count: 0, paths: [] },
  inputs: [{ name: 'builds/20261121_02/x86_64/lockfile.json', digest: { sha256: A } }],
  versions: { 'atomic-nightly': '0.1.0', dnf: '4.14.0 (rpm 4.18.0)' },
  startedOn: '2026-11-21T04:00:00.000Z',
  finishedOn: '2026-11-21T04:10:00.000Z',
};
