import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { listedPackages } from '../../src/ostree/commit-packages.ts';
import { decodeVariant } from '../../src/ostree/gvariant.ts';
import { isType } from '../../src/ostree/gvariant-type.ts';
import { objectPath, parseCommit, parseDirTree } from '../../src/ostree/objects.ts';
import { isRef } from '../../src/ostree/ref.ts';
import { run } from '../../src/programs/exec.ts';
import { parseSummary, summaryRefs } from '../../src/publish/summary.ts';
import { listedRefs } from '../../src/publish/verify/verify-summary.ts';
import { fuzz, mutatedBytes, mutatedText } from '../support/fuzz.ts';
import { commitTestTree, makeRepo } from '../support/ostree-repo.ts';

let commit: Uint8Array;
let dirtree: Uint8Array;
let summary: Uint8Array;

beforeAll(async () => {
  const dir = await mkdtemp(join(tmpdir(), 'atomic-nightly-test-'));
  const repo = await makeRepo(dir);
  const checksum = await commitTestTree({
    ...{ repo, tree: { a: '2', 'd/b': '3', 'd/c': '4' }, version: '20260101_02' },
    metadata: {
      'rpmostree.rpmdb.pkglist': "[('bash', '0', '5.2', '1', 'x86_64')]",
      'rpmostree.rpmmd-repos': "[{'id': <'base'>, 'timestamp': <uint64 1767000000>}]",
    },
  });
  await run('ostree', ['refs', `--repo=${repo}`, '--create=name/x86_64/nightly', checksum]);
  await run('ostree', ['summary', `--repo=${repo}`, '--update']);
  commit = await readFile(join(repo, objectPath(checksum, 'commit')));
  dirtree = await readFile(join(repo, objectPath(parseCommit(checksum, commit).rootTree, 'dirtree')));
  summary = await readFile(join(repo, 'summary'));
  await rm(dir, { recursive: true });
});

/** What those who read a summary turn into an error that names the target: a message, but no TypeError and no RangeError. */
class Plain extends Error {}

function plainly<Value>(read: () => Value): Value {
  try {
    return read();
  } catch (error) {
    if (error instanceof Error && error.constructor === Error) throw new Plain(error.message, { cause: error });
    throw error;
  }
}

describe('text from outside never becomes a path: OSTree objects', () => {
  it('commits', () => {
    fuzz(mutatedBytes([commit]), (bytes) => parseCommit('0'.repeat(64), bytes), {
      check: ({ rootTree, timestamp, metadata }) => {
        for (const entry of listedPackages(metadata) ?? []) expect(Object.values(entry)).toHaveLength(5);
        expect(rootTree).toMatch(/^[0-9a-f]{64}$/);
        expect(Number.isSafeInteger(timestamp)).toBe(true);
      },
    });
  });

  it('folders', () => {
    fuzz(mutatedBytes([dirtree]), (bytes) => parseDirTree('0'.repeat(64), bytes), {
      check: ({ files, folders }) => {
        for (const { name } of [...files, ...folders]) expect(name).toMatch(/^(?!\.{1,2}$)[^/\0]+$/);
        for (const { checksum } of files) expect(checksum).toMatch(/^[0-9a-f]{64}$/);
        for (const { tree, meta } of folders) expect(tree + meta).toMatch(/^[0-9a-f]{128}$/);
      },
    });
  });

  it('summaries', () => {
    fuzz(mutatedBytes([summary]), (bytes) => plainly(() => listedRefs(bytes)), {
      refusals: [Plain],
      check: ({ refs }) => expect([...refs.keys()].every(isRef)).toBe(true),
    });
    fuzz(mutatedBytes([summary]), (bytes) => plainly(() => [parseSummary(bytes), summaryRefs(bytes)] as const), {
      refusals: [Plain],
      check: ([, refs]) => {
        for (const [ref, checksum] of refs) {
          expect(isRef(ref)).toBe(true);
          expect(checksum).toMatch(/^[0-9a-f]{64}$/);
        }
      },
    });
  });

  it('values of any type', () => {
    const types = ['v', 'a{sv}', 'aa{sv}', 'a(ss)', '(a{sv}aya(say)sstayay)', 'mas', 'd'];
    for (const type of types) {
      fuzz(mutatedBytes([commit, summary]), (bytes) => plainly(() => decodeVariant(type, bytes)), {
        refusals: [Plain],
        runs: Math.ceil(Number(process.env['FUZZ_RUNS'] ?? 2000) / types.length),
      });
    }
  });

  it('type strings', () => {
    fuzz(mutatedText(['(a{sv}aya(say)sstayay)', 'a{s(iuq)}', 'mmv']), isType);
  });
});
