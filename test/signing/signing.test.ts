import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { expect, it, onTestFinished } from 'vitest';
import { signaturesIn, withSignature } from '../../src/ostree/commit-signatures.ts';
import { run } from '../../src/programs/exec.ts';
import { gpgStopAgent } from '../../src/programs/gpg.ts';
import { keptSigner } from '../../src/signing/kept.ts';
import { openSigner } from '../../src/signing/open-signer.ts';
import type { Signer } from '../../src/signing/signer.ts';
import { sign } from '../../src/steps/deliver/sign.ts';
import { commitTestTree, makeRepo, testTree } from '../support/ostree-repo.ts';
import { makeSigningKey } from '../support/signing-key.ts';
import { temporaryFolder, testTask } from '../support/tmp.ts';

async function bed() {
  const dir = temporaryFolder();
  const key = await makeSigningKey(dir);
  const kept = join(dir, 'signatures');
  return { dir, key, kept, signer: keptSigner(openSigner(key), kept), task: testTask(dir) };
}

it('signs a commit beside the signature it has; ostree finds both good', async () => {
  const { dir, key, signer, task } = await bed();
  const repo = await makeRepo(dir);
  const commit = await commitTestTree({ repo, tree: testTree(3) });
  const other = await makeSigningKey(join(dir, 'other'));
  await run('ostree', [`--repo=${repo}`, 'gpg-sign', `--gpg-homedir=${other.home}`, commit, other.key]);
  await sign(repo, commit, signer, task);
  for (const [name, { publicKeyFile }] of Object.entries({ key, other })) {
    const [client, remote] = [join(dir, `client-${name}`), `file://${repo}`];
    await run('ostree', [`--repo=${client}`, 'init', '--mode=bare-user']);
    await run('ostree', [`--repo=${client}`, 'remote', 'add', `--gpg-import=${publicKeyFile}`, 'origin', remote]);
    await run('ostree', [`--repo=${client}`, 'pull', 'origin', commit]);
  }
  // Again, as after a kill: the same signature, no third one.
  const path = join(repo, 'objects', commit.slice(0, 2), `${commit.slice(2)}.commitmeta`);
  const before = await readFile(path);
  await sign(repo, commit, signer, task);
  expect(await readFile(path)).toEqual(before);
});

it('I2: a signature is kept before it is used, and one that gpgv refuses is not handed out', async () => {
  const { dir, key, kept, signer, task } = await bed();
  const bytes = Buffer.from('a summary');
  const first = await signer.sign(bytes, task);
  expect(await readdir(kept)).toHaveLength(1);
  // The key is gone from the agent, as after a card was pulled: what was kept still serves.
  await rm(join(key.home ?? '', 'private-keys-v1.d'), { recursive: true });
  expect(await signer.sign(bytes, task)).toEqual(first);
  await expect(signer.sign(Buffer.from('another'), task)).rejects.toMatchObject({ code: 'signing' });

  const wrong: Signer = { ...openSigner(key), sign: async () => first };
  const refused = keptSigner(wrong, join(dir, 'elsewhere')).sign(Buffer.from('not what it signed'), task);
  await expect(refused).rejects.toMatchObject({ code: 'signing', message: expect.stringContaining('gpgv') });
  await expect(stat(join(dir, 'elsewhere'))).rejects.toMatchObject({ code: 'ENOENT' });
});

it('targets that are published to at the same time get one signature over the same bytes, and its maker is asked once', async () => {
  const { key, kept, task } = await bed();
  const maker = openSigner(key);
  let asked = 0;
  // A signature has the second in which it was made: each of these differs from the one before.
  const slow: Signer = {
    ...maker,
    async sign(what, of) {
      asked += 1;
      await setTimeout(1100);
      return maker.sign(what, of);
    },
  };
  const [one, other] = [keptSigner(slow, kept), keptSigner(slow, kept)];
  const bytes = Buffer.from('a record');
  const signatures = await Promise.all([one.sign(bytes, task), one.sign(bytes, task), other.sign(bytes, task)]);
  expect(new Set(signatures.map((signature) => Buffer.from(signature).toString('hex'))).size).toBe(1);
  expect(asked).toBe(1);
  // One that fails holds nobody up.
  const failing: Signer = { ...maker, sign: () => Promise.reject(new Error('the card is out')) };
  const later = Buffer.from('another');
  const refused = keptSigner(failing, kept);
  await expect(refused.sign(later, task)).rejects.toThrow('the card is out');
  const tries = await Promise.allSettled([refused.sign(later, task), one.sign(later, task), other.sign(later, task)]);
  expect(tries.slice(1).map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled']);
});

it('I11: what a signing failure says names the key and the home, and gives a way on', async () => {
  const { dir, task } = await bed();
  const nobody = openSigner({ type: 'gpg-agent', home: join(dir, 'gnupg'), key: '0'.repeat(40) });
  const failure = await nobody.sign(Buffer.from('x'), task).catch((error: unknown) => error);
  expect(failure).toMatchObject({ code: 'signing', hint: expect.stringContaining('--list-secret-keys') });
  await expect(nobody.check(task)).rejects.toMatchObject({ code: 'signing' });
});

it('a home with the public half alone is found out before anything is signed', async () => {
  const { dir, key, task } = await bed();
  const home = join(dir, 'public-only');
  await mkdir(home, { mode: 0o700 });
  onTestFinished(() => gpgStopAgent(home, task));
  await run('gpg', ['--homedir', home, '--batch', '--import', key.publicKeyFile]);
  await openSigner({ type: 'gpg-agent', home: key.home, key: key.key }).check(task);
  await expect(openSigner({ type: 'gpg-agent', home, key: key.key }).check(task)).rejects.toThrow(
    /only the public half/,
  );
});

it('K19: an agent that does not start is the cause, not a private half that were missing', async () => {
  const { dir, key, task } = await bed();
  const home = join(dir, 'without-agent');
  await mkdir(home, { mode: 0o700 });
  onTestFinished(() => gpgStopAgent(home, task));
  await run('gpg', ['--homedir', home, '--batch', '--import', key.publicKeyFile]);
  await gpgStopAgent(home, task);
  await writeFile(join(home, 'gpg.conf'), 'agent-program /bin/false\n');
  const signer = openSigner({ type: 'gpg-agent', home, key: key.key });
  const fault = { code: 'signing', message: expect.stringMatching(/cannot be told(.|\n)*connect to the agent/) };
  await expect(signer.check(task)).rejects.toMatchObject(fault);
  await expect(signer.sign(Buffer.from('x'), task)).rejects.toMatchObject(fault);
  // Whoever only verifies needs none.
  expect((await signer.clientKey(task)).length).toBeGreaterThan(0);
});

it('a signature that is there already changes nothing, whatever else the dictionary holds', () => {
  const packet = (text: string) => Buffer.concat([Buffer.from([0x88, text.length]), Buffer.from(text)]);
  const one = withSignature(undefined, packet('one'));
  const both = withSignature(one, packet('two'));
  expect(withSignature(both, packet('one'))).toBe(both);
  expect(withSignature(one, Buffer.concat([packet('one'), packet('two')]))).toEqual(both);
  expect(signaturesIn(both).map((one) => Buffer.from(one))).toEqual([packet('one'), packet('two')]);
  expect(both.length).toBeGreaterThan(one.length);
});
