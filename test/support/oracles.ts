import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type SuiteFactory } from 'vitest';
import type { GoAndLibraries } from './build-go.ts';

/** Where `scripts/bootstrap.sh --tests` unpacks programs out of a later Debian. */
const TREE = join(process.env['ATOMIC_NIGHTLY_TEST_CACHE'] ?? '/var/cache/atomic-nightly-tests', 'oracles/tree');

const PLACES = {
  cosign: 'usr/bin/cosign',
  litewitness: 'usr/bin/litewitness',
  witnessctl: 'usr/bin/witnessctl',
  'spicy-torchwood': 'usr/bin/spicy-torchwood',
  'sigsum-submit': 'usr/bin/sigsum-submit',
  'sigsum-verify': 'usr/bin/sigsum-verify',
  'sigsum-key': 'usr/bin/sigsum-key',
  'sigsum-mktree': 'usr/bin/sigsum-mktree',
  'sigsum-log-primary': 'usr/bin/sigsum-log-primary',
  /** The sources of torchwood's library. */
  torchwood: 'usr/share/gocode/src/filippo.io/torchwood/policy.go',
} as const;

/** Programs of others that read and write the formats that this one does. */
export type Oracle = keyof typeof PLACES;

/** Returns the path of one that is there. */
export const oracle = (name: Oracle): string => join(TREE, PLACES[name]);

/** Returns why tests that want these cannot run here; undefined when they can. */
export function whyNo(...names: Oracle[]): string | undefined {
  const missing = names.filter((name) => !existsSync(oracle(name)));
  if (missing.length === 0) return undefined;
  return `${missing.join(', ')} of a later Debian is not there: npm run bootstrap -- --tests`;
}

/** Describes what these accept, and skips it where one is missing. */
export function describeWith(names: readonly Oracle[], title: string, tests: SuiteFactory): void {
  describeIf(whyNo(...names), title, tests);
}

/** Describes tests that are skipped for a reason, if there is one: then their name and a line on the terminal say it. */
export function describeIf(why: string | undefined, title: string, tests: SuiteFactory): void {
  if (why !== undefined) process.stderr.write(`SKIPPED: ${title}: ${why}\n`);
  describe.skipIf(why !== undefined)(why === undefined ? title : `${title} (${why})`, tests);
}

/** The Go that came with torchwood, which the system's is too old for, and the sources of libraries. */
export function laterGo(): GoAndLibraries {
  const folder = readdirSync(join(TREE, 'usr/lib')).find((name) => name.startsWith('go-')) ?? '';
  // Compiled once: torchwood needs a good part of Go's own library, which is half a minute of work.
  return {
    go: join(TREE, 'usr/lib', folder, 'bin/go'),
    gopath: join(TREE, 'usr/share/gocode'),
    cache: join(TREE, 'go-cache'),
  };
}
