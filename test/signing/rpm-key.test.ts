import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { run } from '../../src/programs/exec.ts';
import { readRpmKey } from '../../src/signing/rpm-key.ts';
import { sharedFolder } from '../support/tmp.ts';

const keys: Record<string, Uint8Array> = {};
const ids: Record<string, readonly string[]> = {};

/** Makes a key with gpg. @param steps arguments of gpg, one call each; FPR stands for the fingerprint of the key */
async function make(dir: string, name: string, ...steps: readonly (readonly string[])[]): Promise<void> {
  const home = join(dir, name);
  await mkdir(home, { mode: 0o700 });
  const gpg = ['--homedir', home, '--batch', '--quiet', '--pinentry-mode', 'loopback', '--passphrase', ''];
  let fingerprint = '';
  for (const step of steps) {
    await run('gpg', [...gpg, ...step.map((word) => (word === 'FPR' ? fingerprint : word))]);
    const { stdout } = await run('gpg', [...gpg, '--list-keys', '--with-colons']);
    const found = [...stdout.matchAll(/^fpr:+([0-9A-F]{40}):/gm)].map(([, text = '']) => text);
    fingerprint = found[0] ?? '';
    ids[name] = found.map((text) => text.slice(-16).toLowerCase());
  }
  await run('gpg', [...gpg, '--output', join(home, 'public.gpg'), '--export']);
  keys[name] = new Uint8Array(await readFile(join(home, 'public.gpg')));
  await run('gpgconf', ['--homedir', home, '--kill', 'all']);
}

const dir = sharedFolder();

beforeAll(async () => {
  const generate = (kind: string, usage = 'sign', expires = 'never') => [
    '--quick-generate-key',
    'SIG <sig@example.org>',
    kind,
    usage,
    expires,
  ];
  await make(dir, 'rsa2048', generate('rsa2048'));
  await make(dir, 'rsa1024', generate('rsa1024'));
  await make(dir, 'ed25519', generate('ed25519'));
  await make(dir, 'nistp256', generate('nistp256'));
  await make(dir, 'sha1', ['--cert-digest-algo', 'SHA1', ...generate('rsa2048')]);
  await make(
    dir,
    'sha1-renewed',
    ['--cert-digest-algo', 'SHA1', '--faked-system-time', '20250101T000000!', ...generate('rsa2048')],
    [...['--cert-digest-algo', 'SHA512', '--quick-set-expire', 'FPR', '2099-01-01']],
  );
  await make(dir, 'expired', ['--faked-system-time', '20250101T000000!', ...generate('rsa2048', 'sign', '10d')]);
  await make(dir, 'subkey', generate('rsa2048', 'cert'), ['--quick-add-key', 'FPR', 'rsa2048', 'sign', 'never']);
});

const look = (name: string, release: number) =>
  readRpmKey(keys[name] ?? new Uint8Array(), { release, now: new Date(), place: 'the key of the SIG' });

describe('readRpmKey', () => {
  it('takes RSA for every release, and what later ones take as well only for these', async () => {
    for (const release of [7, 8, 9, 10]) expect((await look('rsa2048', release)).faults, `${release}`).toEqual([]);
    for (const [name, from] of [
      ['ed25519', 8],
      ['nistp256', 10],
    ] as const) {
      for (const release of [7, 8, 9, 10]) {
        const { faults } = await look(name, release);
        expect(faults.length, `${name} ${release}`).toBe(release < from ? 1 : 0);
        if (release < from) expect(faults[0]).toMatch(/^Hosts of release \d+ verify RSA.* and the key is /);
      }
    }
    // openpgp.js refuses it for every release, as new hosts do.
    expect((await look('rsa1024', 8)).faults).toEqual([expect.stringContaining('may not sign')]);
  });

  it('refuses a key with a SHA-1 self-signature where hosts do, until it was issued again', async () => {
    expect((await look('sha1', 8)).faults).toEqual([]);
    expect((await look('sha1', 9)).faults).toEqual([expect.stringContaining('SHA-1')]);
    expect((await look('sha1-renewed', 9)).faults).toEqual([]);
    expect((await look('sha1-renewed', 9)).expires?.getUTCFullYear()).toBeGreaterThanOrEqual(2098);
  });

  it('refuses an expired key, whatever the release', async () => {
    expect((await look('expired', 8)).faults).toEqual([
      expect.stringMatching(/^The key [0-9A-F]{40} has expired on 2025-01-11\.$/),
    ]);
  });

  it('knows which part signs, as koji files it, and refuses a subkey where rpm knows primary keys alone', async () => {
    const primary = await look('rsa2048', 9);
    expect([primary.isPrimary, primary.keyId, primary.algorithm]).toEqual([true, ids['rsa2048']?.[0], 'RSA 2048']);
    const sub = await look('subkey', 9);
    expect([sub.isPrimary, sub.keyId, sub.faults]).toEqual([false, ids['subkey']?.[1], []]);
    expect((await look('subkey', 7)).faults).toEqual([expect.stringContaining('sign with the primary key')]);
  });

  it('refuses what is no key, and several', async () => {
    await expect(
      readRpmKey(Buffer.from('no key'), { release: 9, now: new Date(), place: 'key.asc' }),
    ).rejects.toMatchObject({
      code: 'signing',
      message: 'key.asc is not an OpenPGP key.',
    });
    const two = Buffer.concat([keys['rsa2048'] ?? Buffer.alloc(0), keys['ed25519'] ?? Buffer.alloc(0)]);
    const { faults } = await readRpmKey(two, { release: 9, now: new Date(), place: 'key.asc' });
    expect(faults).toEqual(['The keyring key.asc holds 2 keys, and an RPM is signed by one.']);
  });
});
