import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseOsRelease } from '../../src/attest/os-release.ts';
import { sha256 } from '../../src/base/files.ts';
import { parseArtifacts } from '../../src/boot/guest-tests/artifacts.ts';
import { parseDeclaration } from '../../src/boot/guest-tests/test-folder.ts';
import { parseTests } from '../../src/build/tests-record.ts';
import { composedChecksum } from '../../src/engines/rpm-ostree/output.ts';
import { cosign } from '../../src/log/cosignature.ts';
import { formatNote } from '../../src/log/note.ts';
import { noteSigner } from '../../src/log/note-keys.ts';
import { parseAuditState } from '../../src/publish/audit/audit-ledger.ts';
import { readLogState } from '../../src/publish/log/log-state.ts';
import { openOutbox } from '../../src/reports/notify/outbox.ts';
import { readKeyInfo } from '../../src/signing/key-info.ts';
import { openWitnessState } from '../../src/witness/witness-state.ts';
import { fuzz, fuzzAsync, mutatedBytes, mutatedJson, mutatedText } from '../support/fuzz.ts';
import { makeFileKey } from '../support/openpgp-key.ts';
import { sharedFolder } from '../support/tmp.ts';

const dir = sharedFolder();
const SHA = 'ab'.repeat(32);
const ROOT = Buffer.from(SHA, 'hex').toString('base64');
/** For readers that work on files, or on keys, each time. */
const FEWER = { runs: Math.ceil(Number(process.env['FUZZ_RUNS'] ?? 2000) / 10) };

function written(name: string, content: string | Uint8Array): string {
  const path = join(dir, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
  return path;
}

describe('what was written earlier, and may be damaged since', () => {
  it('the state of an audit', () => {
    const state = {
      ...{ version: 1, checkpoint: 'x', 'full-at': 1, indexed: ['20261121_01/x86_64'], behind: { 'a b': 1 } },
      files: { 'builds/builds.json': [{ sha256: SHA, size: 1 }] },
      ...{ refs: { 'a/b': [SHA] }, builds: { '20261121_01/x86_64': '' }, shown: { 'a/b': SHA } },
    };
    const read = (text: string) => parseAuditState(Buffer.from(text), 'FILE');
    expect(read(JSON.stringify(state)).refs.get('a/b')).toEqual([SHA]);
    fuzz(mutatedJson([state]), (value) => read(JSON.stringify(value) ?? ''));
    fuzz(mutatedText([JSON.stringify(state)]), read);
  });

  it("the results of a SIG's own tests, their declarations, and what a guest prints of artifacts", () => {
    const one = {
      name: 'a',
      image: 'generic-cloud',
      verdict: 'passed',
      at: '2026-11-21T00:00:00Z',
      seconds: 1,
      reboots: 0,
    };
    const results = [{ ...one, 'starts-from': '20261121_01', log: 'logs/a.log', artifacts: ['tests/a/b'] }];
    const record = { version: 1, build: '20261121_01', commit: SHA, results };
    expect(parseTests(JSON.stringify(record), 'FILE').results[0]?.startsFrom).toBe('20261121_01');
    fuzz(mutatedJson([record]), (value) => parseTests(JSON.stringify(value) ?? '', 'FILE'));
    const yaml = 'images: [iso]\nmemory: 2 GiB\nreboots: true\ntimeout: 600\ntags: [a]\nstarts-from: previous build\n';
    expect(parseDeclaration(yaml, 'FILE')).toMatchObject({ isAlone: true, timeoutSeconds: 600 });
    fuzz(mutatedText([yaml]), (text) => parseDeclaration(text, 'FILE'));
    const base64 = (text: string) => Buffer.from(text).toString('base64');
    const printed = ['a/b', '../c', '/d', 'a', 'e'].map((path) => `${base64(path)} ${base64('x')}\n`).join('');
    expect(parseArtifacts(printed).map(({ path }) => path)).toEqual(['a/b', 'e']);
    const isBelow = (path: string) => !path.startsWith('/') && !path.split('/').includes('..');
    fuzz(mutatedText([printed]), (text) => {
      expect(parseArtifacts(text).every(({ path }) => isBelow(path))).toBe(true);
    });
  });

  it('the state of a log', async () => {
    const pending = { from: { size: 1, root: ROOT }, entries: ['eA=='] };
    const state = { version: 1, origin: 'o', signed: { size: 2, root: ROOT }, pending };
    const read = async (text: string) => readLogState(written('log.json', text), 'o');
    expect((await read(JSON.stringify(state)))?.signed.size).toBe(2);
    await fuzzAsync(mutatedJson([state]), async (value) => read(JSON.stringify(value) ?? ''), FEWER);
    await fuzzAsync(mutatedText([JSON.stringify(state)]), read, FEWER);
  });

  it('checkpoints that a witness keeps: one that is damaged is told of, and nothing is said of its log', async () => {
    const witness = noteSigner('w.example/w', 'cosignature', Buffer.alloc(32, 1));
    const text = `o.example/log\n1\n${ROOT}\n`;
    const note = formatNote({ text, signatures: [cosign(text, 1_795_000_000, witness)] });
    const place = `witness/${sha256('o.example/log')}/checkpoint`;
    const open = async (bytes: Uint8Array | string) => {
      written(place, bytes);
      const faults: Error[] = [];
      return { faults, state: await openWitnessState(join(dir, 'witness'), witness, (fault) => faults.push(fault)) };
    };
    expect((await open(note)).state.last('o.example/log')?.size).toBe(1);
    await fuzzAsync(mutatedBytes([note]), open, {
      ...FEWER,
      check: ({ faults, state }) => {
        if (faults.length > 0) expect(() => state.last('o.example/log')).toThrow(faults[0]);
        else expect(state.last('o.example/log')?.size).toBe(1);
      },
    });
  });

  it('events that wait to be sent: what is damaged goes, the rest is sent', async () => {
    const about = { product: 'p', stream: 's', build: '20261121_01', arch: 'x86_64', ref: 'a/b', state: 'failed' };
    const event = { id: 'e-1', type: 'failed', at: new Date().toISOString(), ...about, failures: [] };
    const box = openOutbox(dir, 'sink');
    const name = `${String(Date.now()).padStart(15, '0')}-001-e.json`;
    const read = async (text: string) => {
      written(`notify/sink/${name}`, text);
      const waiting = await box.waiting();
      return { waiting, left: readdirSync(join(dir, 'notify/sink')) };
    };
    expect((await read(JSON.stringify(event))).waiting).toHaveLength(1);
    await fuzzAsync(mutatedText([JSON.stringify(event)]), read, {
      ...FEWER,
      check: ({ waiting, left }) => expect(left).toHaveLength(waiting.length),
    });
    rmSync(join(dir, 'notify'), { recursive: true });
  });
});

describe('what others made', () => {
  it('public keys', async () => {
    const { publicFile } = await makeFileKey(dir);
    const key = readFileSync(publicFile);
    expect(await readKeyInfo(key, 'FILE')).toHaveLength(1);
    await fuzzAsync(mutatedBytes([key, Buffer.concat([key, key])]), async (bytes) => readKeyInfo(bytes, 'FILE'), FEWER);
  });

  it('os-release and what rpm-ostree says of a tree', () => {
    fuzz(mutatedText(['ID="centos"\nNAME=\'x\'\nVERSION_ID=9\n']), parseOsRelease, {
      check: ({ id }) => expect(id).toMatch(/^[a-z0-9._-]+$/),
    });
    const text = JSON.stringify({ 'ostree-content-checksum': SHA });
    fuzz(mutatedText([text, '']), (input) => composedChecksum(input, 'FILE'), {
      check: (checksum) => expect(checksum).toMatch(/^[0-9a-f]{64}$/),
    });
  });
});
