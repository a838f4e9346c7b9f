import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { decryptKey, readPrivateKey, revokeKey } from 'openpgp';
import { expect, it, onTestFinished } from 'vitest';
import { sha256File } from '../../src/base/files.ts';
import { run } from '../../src/programs/exec.ts';
import { gpgFingerprint, gpgStopAgent } from '../../src/programs/gpg.ts';
import { keptSigner } from '../../src/signing/kept.ts';
import { openSigner } from '../../src/signing/open-signer.ts';
import { gpgv, makeFileKey, PASSPHRASE } from '../support/openpgp-key.ts';
import { temporaryFolder, testTask } from '../support/tmp.ts';

const DAY = 86_400;

it('a private key file signs bytes and a large file, which is not read as a whole', async () => {
  const dir = temporaryFolder();
  const key = await makeFileKey(dir);
  const task = testTask(dir);
  const signer = keptSigner(openSigner(key), join(dir, 'kept'));
  const file = join(dir, 'image');
  await run('truncate', ['--size=500M', file]);
  const before = process.resourceUsage().maxRSS;
  await writeFile(join(dir, 'sig'), await signer.sign({ file, sha256: await sha256File(file) }, task));
  expect(await gpgv(key.publicFile, join(dir, 'sig'), file)).toMatchObject({ code: 0 });
  expect((process.resourceUsage().maxRSS - before) / 1024).toBeLessThan(250);
  await writeFile(join(dir, 'sig'), await signer.sign(Buffer.from('a record'), task));
  await writeFile(join(dir, 'record'), 'a record');
  expect(await gpgv(key.publicFile, join(dir, 'sig'), join(dir, 'record'))).toMatchObject({ code: 0 });
});

it('the key may be binary, and its passphrase in the environment or a systemd credential', async () => {
  const dir = temporaryFolder();
  const key = await makeFileKey(dir);
  const task = testTask(dir);
  const binary = await readPrivateKey({ armoredKey: await readFile(key.keyFile, 'utf8') });
  await writeFile(key.keyFile, binary.write());
  process.env['PLANTED_PASSPHRASE'] = PASSPHRASE;
  const fromEnv = openSigner({ ...key, passphrase: { env: 'PLANTED_PASSPHRASE' } });
  await fromEnv.check(task);
  // What is started from now on does not inherit it; another signer of this process still has it.
  expect((await run('env', [])).stdout).not.toContain(PASSPHRASE);
  await openSigner({ ...key, passphrase: { env: 'PLANTED_PASSPHRASE' } }).check(task);
  const credentials = join(dir, 'credentials');
  await mkdir(credentials);
  await writeFile(join(credentials, 'signing'), PASSPHRASE, { mode: 0o400 });
  process.env['CREDENTIALS_DIRECTORY'] = credentials;
  onTestFinished(() => void delete process.env['CREDENTIALS_DIRECTORY']);
  await openSigner({ ...key, passphrase: { credential: 'signing' } }).check(task);
});

it('I11: each thing that is wrong with key or passphrase has its own message, and none holds the passphrase', async () => {
  const dir = temporaryFolder();
  const key = await makeFileKey(dir);
  const task = testTask(dir);
  const wrong = join(dir, 'wrong');
  await writeFile(wrong, 'not the planted one 5e1d\n', { mode: 0o600 });
  const open = join(dir, 'open');
  await writeFile(open, PASSPHRASE, { mode: 0o644 });
  const { passphrase: _, ...without } = key;
  const faults: [Parameters<typeof openSigner>[0], RegExp][] = [
    [{ ...key, passphrase: { file: wrong } }, /passphrase \(of .*wrong\) does not open/],
    [without, /encrypted, and no passphrase/],
    [{ ...key, passphrase: { env: 'NO_SUCH_VARIABLE' } }, /NO_SUCH_VARIABLE.* is not set/],
    [{ ...key, passphrase: { credential: 'x' } }, /credential "x".*CREDENTIALS_DIRECTORY/],
    [{ ...key, passphrase: { file: open } }, /passphrase file .* can be read by others \(mode 0644\)/],
    [{ ...key, keyFile: join(dir, 'nothing') }, /private key .*nothing is not there/],
    [{ ...key, keyFile: key.publicKeyFile }, /can be read by others/],
    [{ ...key, keyFile: wrong }, /holds no private OpenPGP key/],
  ];
  for (const [config, message] of faults) {
    for (const attempt of ['check', 'sign'] as const) {
      const signer = openSigner(config);
      const error: unknown = await (attempt === 'check'
        ? signer.check(task)
        : signer.sign(Buffer.from('x'), task)
      ).catch((caught: unknown) => caught);
      expect(error).toMatchObject({
        code: 'signing',
        message: expect.stringMatching(message),
        hint: expect.any(String),
      });
      const shown = JSON.stringify(error, Object.getOwnPropertyNames(error)) + String((error as Error).stack);
      expect(shown).not.toMatch(/planted/);
    }
  }
  await chmod(key.keyFile, 0o640);
  await expect(openSigner(key).check(task)).rejects.toThrow(/mode 0640/);
});

it('a key that is revoked, expired, of the future, or not for signing is refused before it signs', async () => {
  const dir = temporaryFolder();
  const task = testTask(dir);
  const expired = await makeFileKey(dir, { name: 'expired', made: new Date('2026-01-01'), seconds: 30 * DAY });
  await expect(openSigner(expired).check(task)).rejects.toThrow(/expired@example.org>\) has expired on 2026-01-31/);
  const future = await makeFileKey(dir, { name: 'future', made: new Date(Date.now() + 3 * DAY * 1000) });
  await expect(openSigner(future).check(task)).rejects.toThrow(/was made in the future/);

  const revoked = await makeFileKey(dir, { name: 'revoked' });
  const locked = await readPrivateKey({ armoredKey: await readFile(revoked.keyFile, 'utf8') });
  const opened = await decryptKey({ privateKey: locked, passphrase: PASSPHRASE });
  const { privateKey } = await revokeKey({ key: opened, format: 'object' });
  await writeFile(revoked.keyFile, privateKey.armor());
  await expect(openSigner(revoked).check(task)).rejects.toThrow(/has been revoked/);

  // One that certifies and does nothing else.
  const home = join(dir, 'gnupg');
  await mkdir(home, { mode: 0o700 });
  onTestFinished(() => gpgStopAgent(home, task));
  const gpg = (...args: string[]) => run('gpg', ['--homedir', home, '--batch', '--passphrase', '', ...args]);
  await gpg('--quick-generate-key', 'ca <ca@example.org>', 'rsa2048', 'cert', 'never');
  const { stdout } = await gpg('--armor', '--export-secret-keys');
  await writeFile(join(dir, 'ca.key'), stdout, { mode: 0o600 });
  const ca = openSigner({ type: 'openpgp', keyFile: join(dir, 'ca.key') });
  await expect(ca.check(task)).rejects.toThrow(/ca@example.org>\) may not sign/);
  const inHome = openSigner({ type: 'gpg-agent', home, key: await gpgFingerprint(home, task) });
  await expect(inHome.check(task)).rejects.toThrow(/ca@example.org>\) may not sign/);
});
