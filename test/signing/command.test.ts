import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { sha256File } from '../../src/base/files.ts';
import type { SigningCommandConfig } from '../../src/config/config.ts';
import { keptSigner } from '../../src/signing/kept.ts';
import { openSigner } from '../../src/signing/open-signer.ts';
import type { Signer } from '../../src/signing/signer.ts';
import { gpgv, makeFileKey } from '../support/openpgp-key.ts';
import { isAlive, processesWith } from '../support/processes.ts';
import { makeSigningKey, type TestKey } from '../support/signing-key.ts';
import { standInSigner } from '../support/stand-in-signer.ts';
import { temporaryFolder, testTask } from '../support/tmp.ts';
import { until } from '../support/until.ts';

const gpg = ({ home, key }: TestKey, ...args: string[]): string =>
  `gpg --homedir ${home} --batch --quiet --local-user ${key} ${args.join(' ')} --detach-sign`;

/** A stand-in that signs by this shell with the bed's key, and a signer in front of it. */
async function bed(shell: (key: TestKey, dir: string) => string, options: Partial<SigningCommandConfig> = {}) {
  const dir = temporaryFolder();
  const key = await makeSigningKey(dir);
  const standIn = await standInSigner(dir, shell(key, dir));
  const config: SigningCommandConfig = {
    type: 'command',
    command: [standIn.program, '--key', 'atomic 2026'],
    publicKeyFile: key.publicKeyFile,
    timeoutSeconds: 20,
    retries: 1,
    ...options,
  };
  const signer = keptSigner(openSigner(config), join(dir, 'kept'));
  return { dir, key, standIn, signer, task: testTask(dir) };
}

async function errorOf(signer: Signer, dir: string, what = 'a record'): Promise<unknown> {
  return signer.sign(Buffer.from(what), testTask(dir)).catch((error: unknown) => error);
}

it('another program signs bytes and a file, armored or binary; its arguments are as configured', async () => {
  const { dir, signer, standIn, task } = await bed((key) => `cat > $INPUT; ${gpg(key)} < $INPUT; echo signed >&2`);
  const armored = await bed((key) => gpg(key, '--armor'));
  await writeFile(join(dir, 'public.gpg'), await signer.publicKey(task));
  const file = join(dir, 'image');
  await writeFile(file, Buffer.alloc(3_000_000, 'image '));
  await writeFile(join(dir, 'sig'), await signer.sign({ file, sha256: await sha256File(file) }, task));
  expect(await gpgv(join(dir, 'public.gpg'), join(dir, 'sig'), file)).toMatchObject({ code: 0 });
  // Byte by byte, as toEqual goes, 3 MB take most of a minute on a busy machine.
  expect((await readFile(join(dir, 'signer-input'))).equals(await readFile(file))).toBe(true);
  expect(await standIn.calls()).toEqual(['--key atomic 2026']);
  const log = await readFile(task.logFile, 'utf8');
  expect(log).toContain('signed');
  // Logs are published; what stands in the configuration is for the signer alone.
  expect(log).not.toContain('atomic 2026');

  await writeFile(join(dir, 'public.gpg'), await armored.signer.publicKey(armored.task));
  await writeFile(join(dir, 'sig'), await armored.signer.sign(Buffer.from('a record'), armored.task));
  await writeFile(file, 'a record');
  expect(await gpgv(join(dir, 'public.gpg'), join(dir, 'sig'), file)).toMatchObject({ code: 0 });
  expect((await readFile(join(dir, 'sig')))[0]).toBeGreaterThan(127);
});

it('one that fails at first is tried again, later', async () => {
  const { signer, standIn, task } = await bed(
    (key, dir) => `test -e ${dir}/second || { touch ${dir}/second; echo server busy >&2; exit 75; }; ${gpg(key)}`,
    { retries: 2 },
  );
  const begun = performance.now();
  await signer.sign(Buffer.from('a record'), task);
  expect(performance.now() - begun).toBeGreaterThan(900);
  expect(await standIn.calls()).toHaveLength(2);
  expect(task.lines.join('\n')).toMatch(/stand-in-signer ended with exit code 75: server busy; trying again/);
});

it('one that fails every time, or does not answer in time, is given up with what it said', async () => {
  const failing = await bed(() => 'cat > /dev/null; echo one >&2; echo "no such key: atomic" >&2; exit 3');
  expect(await errorOf(failing.signer, failing.dir)).toMatchObject({
    code: 'signing',
    message: expect.stringMatching(/stand-in-signer ended with exit code 3: no such key: atomic$/),
    hint: expect.stringContaining('resume'),
    log: failing.task.logFile,
  });
  expect(await failing.standIn.calls()).toHaveLength(2);

  const slow = await bed(() => 'echo waiting for a person >&2; sleep 86391.5 & wait', {
    timeoutSeconds: 1,
    retries: 0,
  });
  expect(await errorOf(slow.signer, slow.dir)).toMatchObject({
    code: 'signing',
    message: expect.stringMatching(/did not answer within 1 s/),
  });
  await until(() => processesWith('sleep', '86391.5').length === 0);

  const missing = await bed((key) => gpg(key), { command: ['/no/such/signer'] });
  expect(await errorOf(missing.signer, missing.dir)).toMatchObject({ code: 'tool-missing' });
});

it('an interruption ends the signer at once, and is not one of its failures', async () => {
  const { dir, signer, standIn } = await bed((_, folder) => `echo $$ > ${folder}/pid; sleep 60 & wait`);
  const controller = new AbortController();
  const signing = signer.sign(Buffer.from('a record'), testTask(dir, controller.signal));
  const outcome = expect(signing).rejects.toThrow('stop');
  await expect.poll(() => standIn.calls()).toHaveLength(1);
  await expect.poll(() => existsSync(join(dir, 'pid'))).toBe(true);
  controller.abort(new Error('stop'));
  await outcome;
  const pid = Number(await readFile(join(dir, 'pid'), 'utf8'));
  await expect.poll(() => isAlive(pid)).toBe(false);
  expect(await standIn.calls()).toHaveLength(1);
});

it('I2: garbage, nothing, too much, another key and other bytes are each refused with a message, and not asked for again', async () => {
  const cases: [(key: TestKey, dir: string) => string, RegExp][] = [
    [() => 'echo "<html>502 Bad Gateway</html>"', /printed something that is no OpenPGP signature/],
    [() => 'cat > /dev/null', /printed nothing/],
    [() => 'head -c 300000 /dev/urandom', /printed something that is no OpenPGP signature/],
    [(_, dir) => `gpg --homedir ${dir}/other/gnupg --batch --detach-sign`, /gpgv refuses .*: another key made it/],
    [(key) => `cat > /dev/null; echo other bytes | ${gpg(key)}`, /gpgv refuses .*: it is over other bytes/],
    [(key) => `cat | sed 's/$/x/' | ${gpg(key)}`, /gpgv refuses .*: it is over other bytes/],
  ];
  for (const [shell, message] of cases) {
    const { dir, signer, standIn } = await bed(shell);
    await makeSigningKey(join(dir, 'other'));
    expect(await errorOf(signer, dir)).toMatchObject({
      code: 'signing',
      message: expect.stringMatching(message),
      hint: expect.any(String),
    });
    expect(await standIn.calls()).toHaveLength(1);
  }
});

it('a public key file that is not there, no key, or expired, and a program that is not there are found before anything is signed', async () => {
  const { dir, standIn } = await bed((key) => gpg(key));
  const expired = await makeFileKey(dir, { name: 'old', made: new Date('2026-01-01'), seconds: 86_400 });
  const faults: [string, RegExp][] = [
    [join(dir, 'nothing'), /public key .*nothing is not there/],
    [standIn.program, /stand-in-signer is not an OpenPGP key/],
    [expired.publicKeyFile, /has expired on 2026-01-02/],
  ];
  for (const [publicKeyFile, message] of faults) {
    const signer = openSigner({ type: 'command', command: ['true'], publicKeyFile, timeoutSeconds: 1, retries: 0 });
    await expect(signer.check(testTask(dir))).rejects.toThrow(message);
  }
  const good = await makeFileKey(dir, { name: 'good' });
  const common = { type: 'command', publicKeyFile: good.publicKeyFile, timeoutSeconds: 1, retries: 0 } as const;
  await openSigner({ ...common, command: [standIn.program] }).check(testTask(dir));
  await expect(openSigner({ ...common, command: ['/no/signer'] }).check(testTask(dir))).rejects.toThrow(/is not there/);
});
