import { copyFile, readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { armoredKey } from '../../src/base/openpgp-packets.ts';
import { run } from '../../src/programs/exec.ts';
import { gpgStopAgent } from '../../src/programs/gpg.ts';
import { checkRpms } from '../../src/rpm/check-signatures.ts';
import { formatHeader } from '../../src/rpm/signature/header.ts';
import { padded, readRpmStart, signaturesOf } from '../../src/rpm/signature/rpm-signature.ts';
import { openSigner } from '../../src/signing/open-signer.ts';
import { signRpms } from '../../src/signing/sign-rpms.ts';
import { breakSignature } from '../support/break-signature.ts';
import { manyRpms } from '../support/many-rpms.ts';
import { makeKey } from '../support/signing-key.ts';
import { temporaryFolder, testTask } from '../support/tmp.ts';

it('C3: names each package of many that has no good signature of that key, and why', async () => {
  const dir = temporaryFolder();
  const task = testTask(dir);
  const [own, foreign] = [await makeKey(join(dir, 'own')), await makeKey(join(dir, 'foreign'))];
  const rpms = (await manyRpms(join(dir, 'unsigned'), 410, { bytes: 100 })).map(({ file }) => file);
  const signed = rpms.map((_, index) => join(dir, 'signed', `${index}.rpm`));
  const out = (from: number, to: number) =>
    rpms.slice(from, to).map((file, index) => ({ file, out: signed[from + index] ?? '' }));
  const keyFiles: string[] = [];
  for (const { home } of [own, foreign]) {
    const file = join(home, 'secret.asc');
    await run('sh', ['-c', `umask 077; gpg --homedir ${home} --batch --quiet --export-secret-keys > ${file}`]);
    keyFiles.push(file);
    await gpgStopAgent(home, task);
  }
  const signer = openSigner({ type: 'openpgp', keyFile: keyFiles[0] ?? '' });
  await signRpms(out(0, 405), signer, task);
  await signRpms(out(405, 407), openSigner({ type: 'openpgp', keyFile: keyFiles[1] ?? '' }), task);
  await copyFile(rpms[407] ?? '', signed[407] ?? '');
  await writeFile(signed[408] ?? '', '<html>Log in first</html>');
  await signedForRpm6(signed[0] ?? '', rpms[409] ?? '', signed[409] ?? '');
  await breakSignature(signed[17] ?? '');
  await truncate(signed[301] ?? '', 5000);

  const faults = await checkRpms(signed, [armoredKey(await signer.publicKey(task))], join(dir, 'keys'), task);
  expect(faults.map(({ file, kind }) => [signed.indexOf(file), kind])).toEqual([
    [17, 'bad'],
    [301, 'bad'],
    [405, 'unknown-key'],
    [406, 'unknown-key'],
    [407, 'unsigned'],
    [408, 'bad'],
    [409, 'unsigned'],
  ]);
  const why = faults.map(({ report }) => report);
  expect(why[2]).toMatch(/key ID [0-9a-f]{8}/);
  expect(why[4]).toBe('it is not signed');
  expect(why[5]).toContain('is not an RPM package that can be read');
  expect(why[6]).toBe('it is signed in the way of rpm 6 alone (tag 278), which counts as not signed');
});

/** Puts the signature of a signed package where rpm 6 has it, and only there. */
async function signedForRpm6(signed: string, unsigned: string, to: string): Promise<void> {
  const [signature] = signaturesOf(await readRpmStart(signed));
  const start = await readRpmStart(unsigned);
  const data = Buffer.from(`${Buffer.from(signature?.packet ?? []).toString('base64')}\0`);
  const made = formatHeader([...start.signature, { tag: 278, type: 8, count: 1, data }], 62);
  const rest = (await readFile(unsigned)).subarray(start.lead.length + padded(start.signatureSize));
  await writeFile(to, Buffer.concat([start.lead, made, Buffer.alloc(padded(made.length) - made.length), rest]));
}
