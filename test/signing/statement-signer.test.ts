import { verify } from 'node:crypto';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { run } from '../../src/programs/exec.ts';
import { openStatementSigner } from '../../src/signing/statement-signer.ts';
import { standInSigner } from '../support/stand-in-signer.ts';
import { temporaryFolder, testTask } from '../support/tmp.ts';

const WHAT = Buffer.from('what is signed');

/** Keys as openssl makes them, in each form that it has for them. */
async function keys() {
  const dir = temporaryFolder();
  const openssl = (...args: string[]) => run('openssl', args, { cwd: dir });
  await openssl('ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', 'sec1.pem');
  await openssl('pkcs8', '-topk8', '-nocrypt', '-in', 'sec1.pem', '-out', 'pkcs8.pem');
  await openssl('ec', '-in', 'sec1.pem', '-aes256', '-passout', 'pass:open sesame', '-out', 'encrypted.pem');
  await openssl('ec', '-in', 'sec1.pem', '-pubout', '-out', 'public.pem');
  await openssl('ecparam', '-name', 'secp384r1', '-genkey', '-noout', '-out', 'p384.pem');
  await writeFile(join(dir, 'words'), 'open sesame\n', { mode: 0o600 });
  await writeFile(join(dir, 'other'), 'another\n', { mode: 0o600 });
  await writeFile(join(dir, 'text'), 'no key\n', { mode: 0o600 });
  for (const name of ['sec1', 'pkcs8', 'encrypted', 'p384']) await chmod(join(dir, `${name}.pem`), 0o600);
  return { dir, at: (name: string) => join(dir, name) };
}

test('a key file signs, whatever form openssl wrote it in', async () => {
  const { dir, at } = await keys();
  const forms = [
    { keyFile: at('sec1.pem') },
    { keyFile: at('pkcs8.pem') },
    { keyFile: at('encrypted.pem'), passphrase: { file: at('words') } },
  ];
  for (const form of forms) {
    const signer = openStatementSigner({ type: 'key-file', ...form });
    await signer.check();
    const signature = await signer.sign(WHAT, testTask(dir));
    expect(verify('sha256', WHAT, await signer.publicKey(), signature)).toBe(true);
  }
});

test('a key that cannot sign is found before any work is done', async () => {
  const { at } = await keys();
  const faultOf = (form: { keyFile: string; passphrase?: { file: string } }) =>
    openStatementSigner({ type: 'key-file', ...form })
      .check()
      .catch((error: unknown) => error);
  const signing = (words: string) => ({ code: 'signing', message: expect.stringContaining(words) });
  // It may be named by an option as well as in the configuration.
  const gone = {
    ...signing('is not there'),
    hint: expect.stringContaining('in the configuration or on the command line'),
  };
  expect(await faultOf({ keyFile: at('none.pem') })).toMatchObject(gone);
  expect(await faultOf({ keyFile: at('public.pem') })).toMatchObject(signing('can be read by others'));
  expect(await faultOf({ keyFile: at('text') })).toMatchObject(signing('holds no private key'));
  expect(await faultOf({ keyFile: at('encrypted.pem') })).toMatchObject(signing('opens without a passphrase'));
  const wrong = { keyFile: at('encrypted.pem'), passphrase: { file: at('other') } };
  expect(await faultOf(wrong)).toMatchObject(signing('does not open'));
  expect(await faultOf({ keyFile: at('p384.pem') })).toMatchObject(signing('not on the curve P-256'));
});

test('another program signs; what its public key does not verify is not a signature', async () => {
  const { dir, at } = await keys();
  const publicKeyFile = at('public.pem');
  const by = async (shell: string) => {
    const standIn = await standInSigner(temporaryFolder(), shell);
    const command: [string] = [standIn.program];
    return openStatementSigner({ type: 'command', command, publicKeyFile, timeoutSeconds: 20, retries: 0 });
  };
  const sign = (key: string) => `openssl dgst -sha256 -sign ${at(key)}`;
  for (const shell of [sign('sec1.pem'), `${sign('sec1.pem')} | base64`]) {
    const signer = await by(shell);
    await signer.check();
    expect(verify('sha256', WHAT, await signer.publicKey(), await signer.sign(WHAT, testTask(dir)))).toBe(true);
  }
  await run('openssl', ['ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', at('stranger.pem')]);
  for (const shell of [sign('stranger.pem'), 'echo hello', 'true', 'cat /dev/zero'])
    await expect((await by(shell)).sign(WHAT, testTask(dir)), shell).rejects.toMatchObject({ code: 'signing' });
  const gone = openStatementSigner({
    type: 'command',
    command: ['/no/program'],
    publicKeyFile,
    timeoutSeconds: 1,
    retries: 0,
  });
  await expect(gone.check()).rejects.toMatchObject({ hint: expect.stringContaining('"command" under "attestations"') });
});
