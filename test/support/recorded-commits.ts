import { readFileSync } from 'node:fs';

/** A commit object that a real rpm-ostree 2020.8 wrote on 2026-11-28. */
export interface RecordedCommit {
  readonly checksum: string;
  readonly bytes: Uint8Array;
}

/** The first and the second night of one ref; the second has the first as its parent. */
export const RECORDED = {
  first: recorded('first-night', 'c6dce05a9d21551560c16c20ed933483a82dde187dc1a71ba4756d41242f5d0e'),
  second: recorded('second-night', '6ff2ee92dff8bc9aa1fa0890ff6ac3978f3832d1df8bd54746b027456f96ab6b'),
} as const;

function recorded(name: string, checksum: string): RecordedCommit {
  return { checksum, bytes: readFileSync(new URL(`../fixtures/rpm-ostree/${name}.commit`, import.meta.url)) };
}
