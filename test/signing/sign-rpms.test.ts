import { copyFile, mkdir, readdir, readFile, stat, truncate, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { type Key, PacketList, readPrivateKey, SignaturePacket } from 'openpgp';
import { beforeAll, describe, expect, it } from 'vitest';
import { armoredKey } from '../../src/base/openpgp-packets.ts';
import { signatureAbout } from '../../src/base/signature-issuer.ts';
import { run } from '../../src/programs/exec.ts';
import { gpgStopAgent } from '../../src/programs/gpg.ts';
import { checkRpms } from '../../src/rpm/check-signatures.ts';
import { readRpmStart, signaturesOf } from '../../src/rpm/signature/rpm-signature.ts';
import { signatureHeaderOf } from '../../src/rpm/signature/signature-header.ts';
import { OPENPGP_CONFIG } from '../../src/signing/key-info.ts';
import { openSigner } from '../../src/signing/open-signer.ts';
import { rsaPacketSigner } from '../../src/signing/rsa-packet.ts';
import { type RpmToSign, signRpms } from '../../src/signing/sign-rpms.ts';
import type { Signer } from '../../src/signing/signer.ts';
import { fuzz, mutatedBytes } from '../support/fuzz.ts';
import { type ManyRpm, manyRpms } from '../support/many-rpms.ts';
import { MINI_EPOCH } from '../support/mini-rpm.ts';
import { makeKey } from '../support/signing-key.ts';
import { standInSigner } from '../support/stand-in-signer.ts';
import { sharedFolder, temporaryFolder, testTask } from '../support/tmp.ts';

const dir = sharedFolder();
let rpms: ManyRpm[];
let keyFile: string;
let home: string;
let signers: Readonly<Record<string, Signer>>;
let publicKey: Uint8Array;

beforeAll(async () => {
  rpms = await manyRpms(join(dir, 'unsigned'), 12);
  const key = await makeKey(dir);
  home = key.home;
  keyFile = join(dir, 'secret.asc');
  const gpg = `gpg --homedir ${home} --batch --quiet`;
  await run('sh', ['-c', `umask 077; ${gpg} --armor --export-secret-keys > ${keyFile}`]);
  const { program } = await standInSigner(dir, `${gpg} --detach-sign`);
  const command = { type: 'command', command: [program], publicKeyFile: key.publicKeyFile } as const;
  signers = {
    openpgp: openSigner({ type: 'openpgp', keyFile }),
    'gpg-agent': openSigner(key),
    command: openSigner({ ...command, timeoutSeconds: 60, retries: 0 }),
  };
  publicKey = await openSigner(key).publicKey(testTask(dir));
  return () => gpgStopAgent(home, testTask(dir));
});

const toSign = (folder: string): RpmToSign[] =>
  rpms.map(({ name, file }) => ({ file, out: join(folder, name.charAt(0), basename(file)) }));

describe('signRpms', () => {
  it.each(['openpgp', 'gpg-agent', 'command'])(
    'C3: signs all of them with a signer of kind %s; rpmkeys takes each, and its length stays',
    async (kind) => {
      const [folder, task] = [temporaryFolder(), testTask(dir)];
      const all = toSign(folder);
      const before = await Promise.all(rpms.map(({ file }) => readFile(file)));
      expect(await signRpms(all, signers[kind] as Signer, task)).toEqual([]);
      expect(
        await checkRpms(
          all.map(({ out }) => out),
          [armoredKey(publicKey)],
          temporaryFolder(),
          task,
        ),
      ).toEqual([]);
      for (const [index, { file, out }] of all.entries()) {
        const { size, mtimeMs } = await stat(out);
        expect([size, mtimeMs]).toEqual([before[index]?.length, MINI_EPOCH * 1000]);
        // What was there stays what it was, and the header that rpm installs by is the same.
        expect((await readFile(file)).equals(before[index] ?? Buffer.alloc(0))).toBe(true);
        expect((await readRpmStart(out)).header.equals((await readRpmStart(file)).header)).toBe(true);
      }
      const names = (await readdir(folder, { recursive: true })).filter((name) => name.includes('.rpm'));
      expect(names.sort()).toEqual(all.map(({ out }) => out.slice(folder.length + 1)).sort());
    },
  );

  it('I15: names what is no RPM, and signs the others', async () => {
    const folder = temporaryFolder();
    const [cut, page, gone] = [join(folder, 'cut.rpm'), join(folder, 'page.rpm'), join(folder, 'gone.rpm')];
    await copyFile(rpms[0]?.file ?? '', cut);
    await truncate(cut, 600);
    await writeFile(page, '<html>Log in first</html>'.repeat(20));
    const all = [...[cut, page, gone].map((file) => ({ file, out: `${file}.signed` })), ...toSign(join(folder, 'out'))];
    const failed = await signRpms(all, signers['openpgp'] as Signer, testTask(dir));
    expect(failed.map(({ file }) => file).sort()).toEqual([cut, gone, page]);
    const why = Object.fromEntries(failed.map((one) => [one.file, one.why]));
    expect(why).toMatchObject({
      [cut]: expect.stringContaining('it ends within a header'),
      [gone]: `${gone} is not there.`,
    });
    expect((await readdir(folder)).sort()).toEqual(['cut.rpm', 'out', 'page.rpm']);
    expect(await readdir(join(folder, 'out'))).toHaveLength(12);
  });

  it('stops when the signer fails, and leaves nothing half done under any name', async () => {
    const folder = temporaryFolder();
    let asked = 0;
    const failing: Signer = {
      ...(signers['openpgp'] as Signer),
      sign: async (what, task) => {
        asked += 1;
        if (asked > 5) throw new Error('the card is gone');
        return (signers['openpgp'] as Signer).sign(what, task);
      },
    };
    await mkdir(join(folder, 'out'));
    await expect(signRpms(toSign(join(folder, 'out')), failing, testTask(dir))).rejects.toThrow('the card is gone');
    const left = await readdir(join(folder, 'out'), { recursive: true });
    expect(left.filter((name) => name.endsWith('.rpm'))).toEqual([]);
    // Those that it does not finish are written anew.
    expect(await signRpms(toSign(join(folder, 'out')), signers['openpgp'] as Signer, testTask(dir))).toEqual([]);
    expect(asked).toBeLessThan(12);
  });

  it('asks a program for one signature at a time, and a key file for several', async () => {
    for (const [kind, most] of [
      ['command', 1],
      ['openpgp', 8],
    ] as const) {
      let [under, peak] = [0, 0];
      const real = signers[kind] as Signer;
      const counting: Signer = {
        ...real,
        sign: async (what, task) => {
          under += 1;
          peak = Math.max(peak, under);
          return real.sign(what, task).finally(() => {
            under -= 1;
          });
        },
      };
      await signRpms(toSign(temporaryFolder()), counting, testTask(dir));
      expect(peak, kind).toSatisfy((found: number) => (most === 1 ? found === 1 : found > 1 && found <= most));
    }
  });
});

describe('rsaPacketSigner', () => {
  it('makes the very packet that openpgp.js makes, whatever the length', async () => {
    const key = await readPrivateKey({ armoredKey: await readFile(keyFile, 'utf8'), config: OPENPGP_CONFIG });
    const at = new Date(1_780_000_000_000);
    const sign = rsaPacketSigner(key.keyPacket);
    for (const length of [0, 1, 191, 5000]) {
      const data = new Uint8Array(length).fill(length);
      expect(Buffer.from((await sign?.(data, at)) ?? []).equals(await byOpenpgp(key, data, at)), `${length}`).toBe(
        true,
      );
    }
  });

  it('leaves a key that it has not, or of another kind, to openpgp.js', async () => {
    const key = await readPrivateKey({ armoredKey: await readFile(keyFile, 'utf8'), config: OPENPGP_CONFIG });
    expect(rsaPacketSigner(key.toPublic().keyPacket)).toBeUndefined();
  });
});

async function byOpenpgp(key: Key, data: Uint8Array, at: Date): Promise<Buffer> {
  const packet = new SignaturePacket();
  // Binary, RSA, SHA-512.
  Object.assign(packet, { signatureType: 0, publicKeyAlgorithm: 1, hashAlgorithm: 10 });
  const sign: unknown = Reflect.get(packet, 'sign');
  if (typeof sign !== 'function') throw new Error('openpgp.js has changed');
  await sign.call(packet, key.keyPacket, { text: null, getBytes: () => data }, at, true, OPENPGP_CONFIG);
  const list = new PacketList<SignaturePacket>();
  list.push(packet);
  const written = list.write();
  if (!(written instanceof Uint8Array)) throw new Error('it is a stream');
  return Buffer.from(written);
}

describe('what koji is given of a signed package', () => {
  it('is its signature header with the padding, and names one key', async () => {
    const task = testTask(dir);
    const folder = temporaryFolder();
    const [one] = toSign(folder);
    if (!one) throw new Error('no packages');
    const { stdout } = await run('gpg', ['--homedir', home, '--list-keys', '--with-colons']);
    const keyId = /^pub:[^:]*:[^:]*:[^:]*:([0-9A-F]{16}):/m.exec(stdout)?.[1]?.toLowerCase();
    for (const [kind, signer] of Object.entries(signers)) {
      await signRpms([one], signer, task);
      const whole = await readFile(one.out);
      const header = await signatureHeaderOf(one.out);
      expect(header.length % 8).toBe(0);
      expect(whole.subarray(96, 96 + header.length).equals(header)).toBe(true);
      const { header: main } = await readRpmStart(one.out);
      expect(whole.indexOf(main)).toBe(96 + header.length);
      const [signature] = signaturesOf(await readRpmStart(one.out));
      expect(signatureAbout(signature?.packet ?? new Uint8Array()), kind).toMatchObject({
        keyIds: [keyId],
        algorithm: 1,
      });
    }
  });

  it('K1: who made a signature is read from any bytes, or they are refused', async () => {
    const [one] = toSign(temporaryFolder());
    if (!one) throw new Error('no packages');
    await signRpms([one], signers['gpg-agent'] as Signer, testTask(dir));
    const [signature] = signaturesOf(await readRpmStart(one.out));
    fuzz(mutatedBytes([signature?.packet ?? new Uint8Array()]), (input) => {
      const { keyIds } = signatureAbout(input);
      for (const id of keyIds) expect(id).toMatch(/^[0-9a-f]*$/);
    });
  });
});
