import { expect, test } from 'vitest';
import type { ErrorCode } from '../../../src/base/errors.ts';
import { composeFailure } from '../../../src/engines/rpm-ostree/failures.ts';
import { testTask } from '../../support/tmp.ts';
import { bench } from './support.ts';

/** Messages of real releases. */
const CASES: [ErrorCode, string, number?][] = [
  ['repo-unknown', 'Unknown rpm-md repository: nonesuch'],
  ['package-missing', 'Packages not found: nonesuch'],
  ['package-missing', "No package matches 'nonesuch'"],
  [
    'repo-unreachable',
    "Updating rpm-md repo 'x': cannot update repo 'x': Cannot download repomd.xml: Cannot download repodata/repomd.xml: All mirrors were tried",
  ],
  [
    'package-unsigned',
    'importing RPMs: package app-3.0-1.x86_64 cannot be verified and repo lab is GPG enabled: package not signed: app-3.0-1.x86_64.rpm',
  ],
  [
    'depsolve',
    'Could not depsolve transaction; 1 problem detected:\n Problem: conflicting requests\n  - nothing provides libfoo needed by app-3.0-1.x86_64',
  ],
  [
    'treefile',
    'Failed to load treefile: Parsing /x/host.json: serde-json: unknown field `nonesuch` at line 1 column 53',
  ],
  ['locked', 'rpmdb[process] already locked by 4711'],
  ['disk-full', 'Writing commit: fallocate: No space left on device'],
  ['disk-full', 'Writing content object: Disk quota exceeded'],
  ['disk-full', "Writing commit: min-free-space-percent '3%' would be exceeded, at least 1.2 GB requested"],
  ['compose', 'assertion failed', 134],
  ['compose', 'Error opening directory “/etc/pki/rpm-gpg”: No such file or directory'],
  ['compose', 'Running %post for x: While creating stdout stream fd: No such file or directory'],
  ['compose', 'openat(etc/passwd): No such file or directory'],
  ['compose', 'Something nobody foresaw'],
];

test.each(CASES)('%s: %s', (code, message, exitCode = 1) => {
  const task = testTask('/nowhere');
  const stderr = `rpm-ostree version: 2020.8\nwarning: something else\nerror: ${message}\n`;
  const error = composeFailure(exitCode, stderr, task);
  expect(error).toMatchObject({ code, hint: expect.stringMatching(/\.$/), log: task.logFile });
  expect(error.message).toContain(message);
  expect(error.message).not.toContain('something else');
});

test('the engine fails with what rpm-ostree said', async () => {
  const here = await bench({
    version: '2020.8',
    packages: {},
    fail: { message: 'Unknown rpm-md repository: nonesuch' },
  });
  const { treefile, cacheDir, repo, task } = here;
  await expect((await here.engine()).resolve({ treefile, cacheDir, repo }, task)).rejects.toMatchObject({
    code: 'repo-unknown',
    message: 'rpm-ostree failed with exit code 1:\nUnknown rpm-md repository: nonesuch',
  });
});

test('a missing folder of keys is a known failure, with the command that makes it', () => {
  const said = 'error: Error opening directory "/etc/pki/rpm-gpg": No such file or directory';
  expect(composeFailure(1, said, testTask('/nowhere')).hint).toContain('mkdir -p /etc/pki/rpm-gpg');
});
