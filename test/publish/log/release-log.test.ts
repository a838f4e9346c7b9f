import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Config } from '../../../src/config/config.ts';
import { parseConfig } from '../../../src/config/load.ts';
import { formatPrivateKey, formatVkey } from '../../../src/log/note-keys.ts';
import { run } from '../../../src/programs/exec.ts';
import { logHead } from '../../../src/publish/log/log-files.ts';
import { keepsLog, openReleaseLog } from '../../../src/publish/log/release-log.ts';
import { requireOpenpgp } from '../../../src/publish/log/sign-openpgp.ts';
import { formatEntry, type LogEntry } from '../../../src/published/log-entry.ts';
import { openLogKey } from '../../../src/signing/log-key.ts';
import { ENTRIES } from '../../support/log-entries.ts';
import { LOG, VECTORS, WITNESS } from '../../support/log-files.ts';
import { makeFileKey } from '../../support/openpgp-key.ts';
import { cosignAll, scriptedWitness } from '../../support/scripted-witness.ts';
import { temporaryFolder, testTask } from '../../support/tmp.ts';
import { runScript, SCRIPT } from '../../support/verify-script.ts';

interface Place {
  readonly dir: string;
  readonly config: Config;
}

/** A configuration with a log, whose key is that of the vectors. */
async function place(more: readonly string[] = []): Promise<Place> {
  const dir = temporaryFolder();
  const key = join(dir, 'log.key');
  await writeFile(key, formatPrivateKey(LOG.name, Buffer.from(VECTORS.logSeed, 'hex')), { mode: 0o600 });
  await writeFile(join(dir, 'host.yaml'), 'ref: a/x86_64/b\n');
  const text = `name: mini
targets:
  home: {type: directory, path: ./home, url: 'http://${VECTORS.origin.replace(/\/.*/, '')}'}
  copy: {type: directory, path: ./copy, url: 'http://127.0.0.1:1/copy'}
streams:
  nightly: {treefile: host.yaml, targets: [home, copy]}
log:
  home: home
  origin: ${VECTORS.origin}
  key-file: ${key}
${more.map((line) => `  ${line}\n`).join('')}`;
  return { dir, config: parseConfig(text, join(dir, 'atomic-nightly.yaml')) };
}

async function openOf({ config }: Place) {
  if (!keepsLog(config)) throw new Error('no log');
  return openReleaseLog(config);
}

const [entry] = ENTRIES;
const entries = entry ? [entry] : [];

describe('a release log with witnesses', () => {
  const policyOf = async (url: string): Promise<string> => {
    const file = join(temporaryFolder(), 'policy');
    await writeFile(file, `log ${VECTORS.logVkey}\nwitness w ${formatVkey(WITNESS)} ${url}\nquorum w\n`);
    return file;
  };

  it('has its checkpoint cosigned, at home and in the copies', async () => {
    const { url } = await scriptedWitness(cosignAll(WITNESS));
    const here = await place([`policy: ${await policyOf(url)}`]);
    const log = await openOf(here);
    await log.append(entries, testTask(here.dir));
    for (const copy of log.copies) await log.copyTo(copy, testTask(here.dir));
    for (const folder of ['home', 'copy']) {
      const note = await readFile(join(here.dir, folder, 'log/checkpoint'));
      const { cosigned } = logHead(note, { log: LOG, witnesses: [WITNESS] }, { name: folder }).checkpoint;
      expect(cosigned.size).toBe(1);
    }
  });

  it('without the quorum the gate stays shut, and the same append is cosigned once they answer', async () => {
    const file = await policyOf('http://127.0.0.1:1');
    const here = await place([`policy: ${file}`]);
    const task = testTask(here.dir);
    const log = await openOf(here);
    await expect(log.append(entries, task)).rejects.toMatchObject({
      code: 'unwitnessed',
      message: expect.stringContaining('Witness w has not cosigned the log'),
    });
    const { url } = await scriptedWitness(cosignAll(WITNESS));
    await writeFile(file, `log ${VECTORS.logVkey}\nwitness w ${formatVkey(WITNESS)} ${url}\nquorum w\n`);
    const again = await openOf(here);
    expect(await again.append(entries, task)).toEqual([0]);
    const note = await readFile(join(here.dir, 'home/log/checkpoint'));
    expect(logHead(note, { log: LOG, witnesses: [WITNESS] }, { name: 'home' }).checkpoint).toMatchObject({ size: 1 });
    expect(note.toString()).toContain('witness.example/w1');
  });

  it('optional ones only warn', async () => {
    const here = await place([`policy: ${await policyOf('http://127.0.0.1:1')}`, 'witnesses: optional']);
    const task = testTask(here.dir);
    expect(await (await openOf(here)).append(entries, task)).toEqual([0]);
    expect(task.lines.join('\n')).toContain('Witness w has not cosigned the log');
  });
});

it('OpenPGP keys sign the checkpoint at home, in copies and in proofs; gpgv, verify.sh and a second append agree', async () => {
  const dir = temporaryFolder();
  const key = await makeFileKey(dir);
  const { type, keyFile, passphrase, publicFile, fingerprint } = key;
  const signing = { type, 'key-file': keyFile, 'passphrase-file': passphrase.file };
  const here = await place([`signing: ${JSON.stringify(signing)}`]);
  const task = testTask(here.dir);
  const log = await openOf(here);
  const commit = 'c0'.repeat(32);
  const ref: LogEntry = { kind: 'ref', ref: 'a/x86_64/b', commit, timestamp: 1_700_000_000 };
  for (const place of [log.home, ...log.copies]) await log.gate.before([formatEntry(ref)], place, task);
  const keyring = await readFile(publicFile);
  for (const folder of ['home', 'copy']) {
    const note = await readFile(join(here.dir, folder, 'log/checkpoint'));
    expect(logHead(note, { log: LOG }, { name: folder }).checkpoint.size).toBe(1);
    const about = { name: LOG.name, keyring, file: folder };
    expect(await requireOpenpgp(note, about, task)).toEqual([fingerprint]);
    const other = Buffer.from(note.toString().replace('\n1\n', '\n2\n'));
    await expect(requireOpenpgp(other, about, task)).rejects.toThrow('is wrong');
    const unsigned = Buffer.from(note.toString().split('\n').slice(0, -2).join('\n').concat('\n'));
    await expect(requireOpenpgp(unsigned, about, task)).rejects.toThrow('has not signed it');
    const proof = join(here.dir, folder, `log/proofs/refs/a/x86_64/b/${commit}.tlog-proof`);
    const { said } = await runScript(['dash'], SCRIPT, ['-g', publicFile, '-c', commit, proof], dir);
    expect(said).toMatch(/^ok: commit .* signed with OpenPGP\n$/);
  }
  // Nothing is lacking, so nothing is written.
  const before = await stat(join(here.dir, 'home/log/checkpoint'));
  await (await openOf(here)).append([ref], task);
  expect((await stat(join(here.dir, 'home/log/checkpoint'))).ino).toBe(before.ino);
});

describe('the key of a log', () => {
  it('is read as Go has it and in PEM, and refused when it is another log\u2019s, readable by others, or none', async () => {
    const { dir, config } = await place();
    const file = join(dir, 'log.key');
    const { log } = config;
    if (!log) throw new Error('no log');
    expect(formatVkey(await openLogKey(log))).toBe(VECTORS.logVkey);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    await expect(openLogKey({ ...log, origin: 'other.example/log' })).rejects.toMatchObject({ code: 'config' });
    await run('chmod', ['640', file]);
    await expect(openLogKey(log)).rejects.toMatchObject({
      code: 'signing',
      message: expect.stringContaining('read by others'),
    });
    await run('chmod', ['600', file]);
    await run('openssl', ['genpkey', '-algorithm', 'ed25519', '-out', file]);
    expect((await openLogKey(log)).name).toBe(VECTORS.origin);
    const secret = 'PRIVATE+KEY+x+00000000+AAAA';
    for (const text of ['', 'nonsense', secret, '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n']) {
      await writeFile(file, text);
      const error = await openLogKey(log).catch((reason: unknown) => reason);
      expect(error).toMatchObject({ code: expect.stringMatching(/^(log|signing)$/) });
      expect(String(error)).not.toContain('AAAA');
    }
    await expect(openLogKey({ ...log, key: { file: `${file}.none` } })).rejects.toMatchObject({ code: 'signing' });
  });
});
