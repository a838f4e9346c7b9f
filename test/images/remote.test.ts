import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { makeBase } from '../../src/images/image-base.ts';
import { run } from '../../src/programs/exec.ts';
import { makeFileKey } from '../support/openpgp-key.ts';
import { temporaryFolder, testTask } from '../support/tmp.ts';
import { ABSENT, commitFolder, imageRequest, syntheticCommit } from './synthetic-tree.ts';

describe('I2: the remote that hosts of a signing stream follow', () => {
  test('is in the image with the key, and what nobody signed is refused', async () => {
    const dir = temporaryFolder();
    const source = await syntheticCommit(dir, { 'usr/etc/ostree/remotes.d/synthetic.conf': ABSENT });
    const key = await makeFileKey(dir);
    const request = await imageRequest(dir, source);
    const keys = await readFile(key.publicFile);
    const remote = { name: request.remote.name, url: `file://${source.repo}`, keys };
    const base = await makeBase({ ...request, remote }, testTask(dir));
    const repo = join(base.sysroot, 'ostree/repo');
    const config = await readFile(join(repo, 'config'), 'utf8');
    expect(config).toContain('gpg-verify=true\ngpg-verify-summary=true\n');
    const pull = run('ostree', [`--repo=${repo}`, 'pull', remote.name, request.ref]);
    await expect(pull).rejects.toThrow(/GPG verification enabled, but no (summary\.sig|signatures) found|no summary/i);
  });

  test('is refused in a tree whose own remote switches the checks off', async () => {
    const dir = temporaryFolder();
    const { repo } = await syntheticCommit(dir);
    const request = await imageRequest(dir, { repo, commit: '' });
    const tree = join(dir, 'with-remote');
    await run('ostree', [`--repo=${repo}`, 'checkout', '--user-mode', request.ref, tree]);
    await mkdir(join(tree, 'usr/etc/ostree/remotes.d'), { recursive: true });
    const key = await makeFileKey(dir);
    const keys = await readFile(key.publicFile);
    for (const [line, fits] of [
      ['gpg-verify=false', false],
      ['gpg-verify-summary = 0', false],
      ['gpg-verify=true', true],
    ] as const) {
      await writeFile(
        join(tree, 'usr/etc/ostree/remotes.d/own.conf'),
        `[remote "${request.remote.name}"]\nurl=${request.remote.url}\n${line}\n`,
      );
      const { commit } = await commitFolder(dir, tree);
      const making = makeBase({ ...request, commit, remote: { ...request.remote, keys } }, testTask(dir));
      if (fits) await making;
      else
        await expect(making).rejects.toMatchObject({ code: 'image', message: expect.stringMatching(/switched off/) });
    }
  });
});
