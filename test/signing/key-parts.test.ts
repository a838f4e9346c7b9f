import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { run } from '../../src/programs/exec.ts';
import { keptSigner } from '../../src/signing/kept.ts';
import { openSigner } from '../../src/signing/open-signer.ts';
import { findingsOf } from '../../src/signing/verify-detached.ts';
import { addSigningSubkey, makeFileKey } from '../support/openpgp-key.ts';
import { makeSigningKey } from '../support/signing-key.ts';
import { temporaryFolder, testTask } from '../support/tmp.ts';

const WHAT = Buffer.from('a commit');

describe('clients have the key they were given (I2)', () => {
  it('a subkey that is added for later signs beside the older part, so clients with the older key accept', async () => {
    const dir = temporaryFolder();
    const task = testTask(dir);
    const key = await makeFileKey(dir);
    const given = await readFile(key.publicFile);
    const added = await addSigningSubkey(key);
    const signer = keptSigner(openSigner(key), join(dir, 'kept'));
    await signer.check(task);
    const signature = await signer.sign(WHAT, task);
    expect(await findingsOf({ what: WHAT, signature, publicKey: given }, task)).toEqual(['good', 'unknown-key']);
    expect(await findingsOf({ what: WHAT, signature, publicKey: await signer.publicKey(task) }, task)).toEqual([
      'good',
      'good',
    ]);
    // What verify and the check after each publish use is no more than those clients have.
    const old = await signer.clientKey(task);
    expect(await findingsOf({ what: WHAT, signature, publicKey: old }, task)).toEqual(['good', 'unknown-key']);

    // Once clients have it, the configuration says so.
    const alone = openSigner({ ...key, subkeys: [added] });
    const second = await alone.sign(WHAT, task);
    expect(await findingsOf({ what: WHAT, signature: second, publicKey: given }, task)).toEqual(['unknown-key']);
    expect(await findingsOf({ what: WHAT, signature: second, publicKey: await alone.clientKey(task) }, task)).toEqual([
      'good',
    ]);
  });

  it('signs with each part of a key in a GnuPG home, too', async () => {
    const dir = temporaryFolder();
    const task = testTask(dir);
    const key = await makeSigningKey(dir);
    const given =
      (await run('gpg', ['--homedir', key.home, '--export', '--output', join(dir, 'given'), key.key])) &&
      (await readFile(join(dir, 'given')));
    const quick = ['--batch', '--passphrase', '', '--quick-add-key', key.key, 'rsa2048', 'sign', 'never'];
    await run('gpg', ['--homedir', key.home, ...quick]);
    const signer = keptSigner(openSigner(key), join(dir, 'kept'));
    await signer.check(task);
    const signature = await signer.sign(WHAT, task);
    expect((await findingsOf({ what: WHAT, signature, publicKey: given }, task)).toSorted()).toEqual([
      'good',
      'unknown-key',
    ]);
    expect(await findingsOf({ what: WHAT, signature, publicKey: await signer.clientKey(task) }, task)).toContain(
      'good',
    );
  });

  it('a command that signs with a part clients may not have is refused before anything is published', async () => {
    const dir = temporaryFolder();
    const task = testTask(dir);
    const key = await makeFileKey(dir);
    const added = await addSigningSubkey(key);
    const program = join(dir, 'sign');
    const newOnly = openSigner({ ...key, subkeys: [added] });
    await writeFile(join(dir, 'sig'), await newOnly.sign(WHAT, task));
    await writeFile(program, `#!/bin/sh\ncat >/dev/null\ncat ${join(dir, 'sig')}\n`, { mode: 0o755 });
    const publicKeyFile = join(dir, 'both.gpg');
    await writeFile(publicKeyFile, await newOnly.publicKey(task));
    const config = { type: 'command', command: [program], publicKeyFile, timeoutSeconds: 60, retries: 0 } as const;
    const refused = keptSigner(openSigner({ ...config, subkeys: [key.fingerprint, added] }), join(dir, 'kept'));
    await expect(refused.sign(WHAT, task)).rejects.toMatchObject({
      code: 'signing',
      message: expect.stringMatching(/clients may not have/),
    });
    await keptSigner(openSigner({ ...config, subkeys: [added] }), join(dir, 'kept')).sign(WHAT, task);
  });

  it('a name that is no part of the key is refused with those there are', async () => {
    const dir = temporaryFolder();
    const key = await makeFileKey(dir);
    const signer = openSigner({ ...key, subkeys: ['0'.repeat(40)] });
    await expect(signer.check(testTask(dir))).rejects.toMatchObject({
      message: expect.stringContaining('"subkeys" names 0000'),
      hint: expect.stringContaining(key.fingerprint),
    });
  });
});

describe('a key that cannot sign is found before any work', () => {
  it('a file without the private half of any part that signs', async () => {
    const dir = temporaryFolder();
    const task = testTask(dir);
    const key = await makeSigningKey(dir);
    const add = ['--batch', '--passphrase', '', '--quick-add-key', key.key, 'rsa2048', 'encr', 'never'];
    await run('gpg', ['--homedir', key.home, ...add]);
    const keyFile = join(dir, 'mixed.key');
    await run('gpg', ['--homedir', key.home, '--batch', '--output', keyFile, '--export-secret-subkeys', key.key]);
    await run('chmod', ['600', keyFile]);
    await expect(openSigner({ type: 'openpgp', keyFile }).check(task)).rejects.toMatchObject({
      code: 'signing',
      message: expect.stringMatching(/lacks the private half/),
    });
  });

  it('a GnuPG home that has lost the private half of the part that signs', async () => {
    const dir = temporaryFolder();
    const task = testTask(dir);
    const key = await makeSigningKey(dir);
    const add = ['--batch', '--passphrase', '', '--quick-add-key', key.key, 'rsa2048', 'encr', 'never'];
    await run('gpg', ['--homedir', key.home, ...add]);
    const colons = ['--batch', '--with-colons', '--with-keygrip', '--list-secret-keys', key.key];
    const { stdout } = await run('gpg', ['--homedir', key.home, ...colons]);
    const primary = /^grp:+([0-9A-F]+):/m.exec(stdout)?.[1];
    const folder = join(key.home, 'private-keys-v1.d');
    expect(await readdir(folder)).toContain(`${primary}.key`);
    await rm(join(folder, `${primary}.key`));
    await expect(openSigner(key).check(task)).rejects.toMatchObject({
      code: 'signing',
      message: expect.stringMatching(/lacks the private half of every part/),
    });
  });
});
