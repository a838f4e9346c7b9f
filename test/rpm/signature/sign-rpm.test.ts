import { chmod, copyFile, readFile, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run } from '../../../src/programs/exec.ts';
import { rpmSignWith } from '../../../src/programs/rpmbuild.ts';
import { checkRpms } from '../../../src/rpm/check-signatures.ts';
import {
  formatHeader,
  type HeaderEntry,
  MAIN_LIMITS,
  parseHeader,
  SIGNATURE_LIMITS,
} from '../../../src/rpm/signature/header.ts';
import { padded, readRpmStart, signaturesOf } from '../../../src/rpm/signature/rpm-signature.ts';
import { signRpm } from '../../../src/rpm/signature/sign-rpm.ts';
import { fuzz, fuzzAsync, mutatedBytes } from '../../support/fuzz.ts';
import { buildMiniRpm } from '../../support/mini-rpm.ts';
import { sharedFolder, temporaryFolder, testTask } from '../../support/tmp.ts';

/** A key of a kind, and who signs with it; the same bytes get the same signature. */
async function keyOf(dir: string, kind: string) {
  const home = join(dir, kind);
  await run('mkdir', ['-m', '700', home]);
  const gpg = ['--homedir', home, '--batch', '--quiet', '--pinentry-mode', 'loopback', '--passphrase', ''];
  await run('gpg', [...gpg, '--quick-generate-key', `${kind} <${kind}@example.org>`, kind, 'sign', 'never']);
  const armored = (await run('gpg', [...gpg, '--armor', '--export'])).stdout;
  const made = new Map<string, Uint8Array>();
  const sign = async (data: Uint8Array): Promise<Uint8Array> => {
    const key = Buffer.from(data).toString('latin1');
    const file = join(dir, `${kind}-data`);
    if (!made.has(key)) {
      await writeFile(file, data);
      await run('gpg', [...gpg, '--yes', '--digest-algo', 'sha256', '--output', `${file}.sig`, '--detach-sign', file]);
      made.set(key, await readFile(`${file}.sig`));
    }
    return made.get(key) ?? new Uint8Array();
  };
  return { sign, armored };
}

const stopAgent = (home: string) => run('gpgconf', ['--homedir', home, '--kill', 'all']);

const KINDS = ['rsa2048', 'rsa4096', 'ed25519', 'nistp256'];
const NOBODY = { sign: async () => new Uint8Array(), armored: '' };
const dir = sharedFolder();
let rpm: string;
const keys: Record<string, Awaited<ReturnType<typeof keyOf>>> = {};
const keyNamed = (kind: string) => keys[kind] ?? NOBODY;

beforeAll(async () => {
  for (const kind of KINDS) keys[kind] = await keyOf(dir, kind);
  const files = [{ path: '/usr/share/signed/file', text: 'x'.repeat(5000) }];
  rpm = await buildMiniRpm({ name: 'signed', version: '1.0', release: '1', files });
});

// Each signature has started an agent again.
afterAll(() => Promise.all(KINDS.map((kind) => stopAgent(join(dir, kind)))));

async function copies(...names: string[]): Promise<string[]> {
  const scratch = temporaryFolder();
  const paths = names.map((name) => join(scratch, `${name}.rpm`));
  for (const path of paths) await copyFile(rpm, path);
  return paths;
}

/** Writes a package with another signature header. */
async function rewrite(path: string, entries: readonly HeaderEntry[]): Promise<void> {
  const bytes = await readFile(path);
  const { lead, signatureSize } = await readRpmStart(path);
  const made = formatHeader(entries, 62);
  const rest = bytes.subarray(lead.length + padded(signatureSize));
  await writeFile(path, Buffer.concat([lead, made, Buffer.alloc(padded(made.length) - made.length), rest]));
}

/** Leaves that many bytes for signatures; none: without the entry, as before rpm 4.14. */
async function withRoom(path: string, room: number): Promise<void> {
  const kept = (await readRpmStart(path)).signature.filter(({ tag }) => tag !== 1008);
  const reserved = { tag: 1008, type: 7, count: room, data: Buffer.alloc(room) };
  await rewrite(path, room === 0 ? kept : [...kept, reserved]);
}

/** Gives the entry of the payload's digest a tag that nobody knows. */
async function withoutPayloadDigest(path: string): Promise<void> {
  const bytes = await readFile(path);
  const at = bytes.indexOf(Buffer.from([0, 0, 0x13, 0xe4, 0, 0, 0, 8]));
  bytes.writeUInt32BE(5999, at);
  await writeFile(path, bytes);
}

describe('signRpm', () => {
  it.each(['rsa2048', 'rsa4096', 'ed25519'])('makes what rpmsign makes with a key of type %s', async (kind) => {
    const [ours = '', theirs = ''] = await copies('ours', 'theirs');
    const { sign, armored } = keyNamed(kind);
    expect(await signRpm(ours, sign)).toBe(true);
    await rpmSignWith(theirs, sign, temporaryFolder(), testTask(dir));
    expect((await stat(ours)).size).toBe((await stat(rpm)).size);
    expect(Buffer.compare(await readFile(ours), await readFile(theirs))).toBe(0);
    expect(await checkRpms([ours], [armored], temporaryFolder(), testTask(dir))).toEqual([]);
    const { stdout } = await run('rpm', [
      '--nosignature',
      '-qp',
      '--qf',
      '%{RSAHEADER:pgpsig}|%{DSAHEADER:pgpsig}',
      ours,
    ]);
    expect(stdout).toMatch(kind.startsWith('rsa') ? /^RSA\/SHA256.*\|\(none\)$/ : /^\(none\)\|/);
  });

  it('puts an ECDSA signature where rpm looks for it', async () => {
    const [path = ''] = await copies('ecdsa');
    await signRpm(path, keyNamed('nistp256').sign);
    expect(signaturesOf(await readRpmStart(path)).map(({ tag }) => tag)).toEqual(['dsaHeader']);
    expect((await stat(path)).size).toBe((await stat(rpm)).size);
  });

  it('replaces a signature of another key and size, and the file keeps its length', async () => {
    const [path = ''] = await copies('again');
    const before = await readFile(path);
    for (const kind of ['rsa4096', 'ed25519', 'rsa2048', 'rsa4096']) {
      await signRpm(path, keyNamed(kind).sign);
      expect((await stat(path)).size).toBe(before.length);
      expect(signaturesOf(await readRpmStart(path))).toHaveLength(1);
      expect(await checkRpms([path], [keyNamed(kind).armored], temporaryFolder(), testTask(dir))).toEqual([]);
    }
    // The header and what is behind it are as they were: the package has the same payload hash.
    const { header } = await readRpmStart(path);
    const after = await readFile(path);
    expect(after.subarray(after.indexOf(header)).equals(before.subarray(before.indexOf(header)))).toBe(true);
  });

  it('signs a package that has no room, or too little: the file grows, and rpm takes it', async () => {
    for (const room of [0, 1, 100, 600]) {
      const [path = ''] = await copies(`room-${room}`);
      await withRoom(path, room);
      await chmod(path, 0o640);
      const { size } = await stat(path);
      await signRpm(path, keyNamed('rsa4096').sign);
      expect((await stat(path)).size - size, `${room}`).toSatisfy((more: number) =>
        room < 600 ? more > 0 : more === 0,
      );
      expect((await stat(path)).mode & 0o777).toBe(0o640);
      expect(await checkRpms([path], [keyNamed('rsa4096').armored], temporaryFolder(), testTask(dir))).toEqual([]);
      const payload = await run('rpm2cpio', [path], { okExitCodes: [0] });
      expect(payload.stdout).toContain('x'.repeat(5000));
    }
  });

  it('keeps entries that are not its own, as a file signature for IMA', async () => {
    const [path = ''] = await copies('ima');
    const { signature } = await readRpmStart(path);
    const data = Buffer.from('0302046d6400\0');
    await rewrite(path, [...signature, { tag: 274, type: 8, count: 1, data }]);
    await signRpm(path, keyNamed('ed25519').sign);
    const after = (await readRpmStart(path)).signature;
    const [kept] = after.filter(({ tag }) => tag === 274);
    expect(kept?.data.equals(data)).toBe(true);
    const others = (entries: typeof after) =>
      entries.map(({ tag }) => tag).filter((tag) => ![274, 267, 1008].includes(tag));
    expect(others(after)).toEqual(others(signature));
  });

  it('leaves a package alone whose header does not name the payload, and says so', async () => {
    const [path = ''] = await copies('old');
    await withoutPayloadDigest(path);
    const before = await readFile(path);
    expect(await signRpm(path, () => Promise.reject(new Error('was asked to sign')))).toBe(false);
    expect((await readFile(path)).equals(before)).toBe(true);
  });

  it('changes nothing when there is no signature, or one of a kind that RPM does not take', async () => {
    const [path = ''] = await copies('none');
    const before = await readFile(path);
    await expect(signRpm(path, () => Promise.reject(new Error('the card is gone')))).rejects.toThrow(
      'the card is gone',
    );
    await expect(signRpm(path, async () => Buffer.from('nothing'))).rejects.toMatchObject({ code: 'signing' });
    const v6 = Buffer.from(await keyNamed('ed25519').sign(Buffer.from('x')));
    v6[2] = 6;
    await expect(signRpm(path, async () => v6)).rejects.toMatchObject({
      code: 'signing',
      message: expect.stringContaining('version 6'),
    });
    expect((await readFile(path)).equals(before)).toBe(true);
  });

  it('counts a package that is signed only the way of rpm 6 as unsigned, and says what it has', async () => {
    const [path = ''] = await copies('rpm6');
    const { signature, header } = await readRpmStart(path);
    const packet = Buffer.from(await keyNamed('rsa2048').sign(header));
    const data = Buffer.from(`${packet.toString('base64')}\0`);
    await rewrite(path, [...signature, { tag: 278, type: 8, count: 1, data }]);
    const found = signaturesOf(await readRpmStart(path));
    expect(found.map(({ tag }) => tag)).toEqual(['openpgp']);
    expect(Buffer.from(found[0]?.packet ?? []).equals(packet)).toBe(true);
    expect(await checkRpms([path], [keyNamed('rsa2048').armored], temporaryFolder(), testTask(dir))).toMatchObject([
      { kind: 'unsigned' },
    ]);
  });
});

describe('readRpmStart', () => {
  it('names the file and what is wrong with it', async () => {
    const [path = ''] = await copies('cut');
    for (const [size, what] of [
      [0, 'it ends within a header'],
      [100, 'it ends within a header'],
      [1000, 'it ends within a header'],
    ] as const) {
      await copyFile(rpm, path);
      await truncate(path, size);
      await expect(readRpmStart(path)).rejects.toMatchObject({
        code: 'verify',
        message: `${path} is not an RPM package that can be read: ${what}.`,
      });
    }
    await writeFile(path, '<html>Log in first</html>'.repeat(100));
    await expect(readRpmStart(path)).rejects.toThrow('does not begin as an RPM package does');
  });

  it('K1: refuses any header that is no header, and never more', async () => {
    const bytes = await readFile(rpm);
    const { signature, header } = await readRpmStart(rpm);
    fuzz(mutatedBytes([formatHeader(signature, 62), bytes.subarray(96)]), (input) =>
      parseHeader(Buffer.from(input), 62, SIGNATURE_LIMITS),
    );
    fuzz(mutatedBytes([header]), (input) => parseHeader(Buffer.from(input), 63, MAIN_LIMITS));
    // Entries that all name one long list would be read for hours; rpm refuses them.
    const data = Buffer.alloc(1_000_000);
    const list = { tag: 1000, type: 8, count: data.length, data };
    const twice = formatHeader([list, { ...list, tag: 1001, data: Buffer.alloc(1), count: 1 }], 63);
    twice.writeInt32BE(0, 16 + 2 * 16 + 8);
    expect(() => parseHeader(twice, 63, MAIN_LIMITS)).toThrow('the data of tag 1001 lies within that of another');
    const file = join(dir, 'fuzzed.rpm');
    await fuzzAsync(
      mutatedBytes([bytes.subarray(0, 20_000)]),
      async (input) => {
        await writeFile(file, input);
        return readRpmStart(file);
      },
      { runs: 300 },
    );
  });

  it('writes what it read', async () => {
    const { signature, signatureSize } = await readRpmStart(rpm);
    const bytes = await readFile(rpm);
    expect(formatHeader(signature, 62).equals(bytes.subarray(96, 96 + signatureSize))).toBe(true);
  });
});
