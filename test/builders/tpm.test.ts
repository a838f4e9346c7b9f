import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type AskedMachine, askTpm } from '../../src/builders/ask-tpm.ts';
import { farScript } from '../../src/builders/far-machine.ts';
import { staticBusybox } from '../../src/builders/static-busybox.ts';
import { run } from '../../src/programs/exec.ts';
import { startTpm, type TestTpm } from '../support/swtpm.ts';
import { temporaryFolder, testTask } from '../support/tmp.ts';

const REPORT = 'a'.repeat(64);
const PCRS = [0, 1, 2, 7];

/** A machine that is this one: what would run there runs here, read by the same busybox. @param altered what comes back instead */
async function machineWith(
  tpm: { key: string; handle: string; of: TestTpm | string },
  altered: (answer: Buffer) => Buffer = (answer) => answer,
): Promise<AskedMachine> {
  const busybox = await staticBusybox();
  const { key, handle, of } = tpm;
  const device = '/dev/tpmrm0';
  const ask = async (path: string, verb: string, args: readonly string[]) => {
    const out = join(temporaryFolder(), 'answer');
    const words = args.map((word) => (word === device ? path : word));
    await run('/bin/sh', ['-c', 'exec "$0" sh "$@" > "$OUT"', busybox, farScript('far.sh'), verb, ...words], {
      env: { OUT: out },
    });
    return altered(await readFile(out));
  };
  return {
    config: { tpm: { key, handle, device, pcrs: PCRS } },
    call: (verb, args) => (typeof of === 'string' ? ask(of, verb, args) : of.with((path) => ask(path, verb, args))),
  };
}

describe('the TPM of a builder', () => {
  it('I18: signs a fresh question with the enrolled key, and what it measured must stay as it was', async () => {
    const dir = temporaryFolder();
    const [task, tpm] = [testTask(dir), await startTpm(join(dir, 'tpm'))];
    for (const [scheme, handle] of [
      ['ecc256:ecdsa-sha256:null', '0x81010002'],
      ['rsa2048:rsassa-sha256:null', '0x81010003'],
      ['rsa2048:rsapss-sha256:null', '0x81010004'],
    ] as const) {
      const key = await tpm.enrol(scheme, handle);
      const machine = await machineWith({ key, handle, of: tpm });
      const first = await askTpm(machine, REPORT, undefined, task);
      expect(first, scheme).toEqual({ findings: [], pcrDigest: expect.stringMatching(/^[0-9a-f]{64}$/) });
      expect(await askTpm(machine, REPORT, first.pcrDigest, task), scheme).toEqual(first);
    }
    const key = join(dir, 'tpm/0x81010002.pem');
    const machine = await machineWith({ key, handle: '0x81010002', of: tpm });
    const { pcrDigest } = await askTpm(machine, REPORT, undefined, task);
    // Another boot loader.
    await tpm.tool('tpm2_pcrextend', `7:sha256=${'b'.repeat(64)}`);
    const [finding] = (await askTpm(machine, REPORT, pcrDigest, task)).findings;
    expect(finding?.message).toMatch(
      /^its TPM has measured other firmware, or another boot: registers 0, 1, 2, 7 were/,
    );
    // The key of another machine; a TPM that is not there; one that has no such key.
    const other = await startTpm(join(dir, 'other'));
    const stranger = await other.enrol('ecc256:ecdsa-sha256:null', '0x81010002');
    const findings = async (about: Parameters<typeof machineWith>[0]) =>
      (await askTpm(await machineWith(about), REPORT, undefined, task)).findings.map(({ message }) => message);
    expect(await findings({ key: stranger, handle: '0x81010002', of: tpm })).toEqual([
      'the quote of its TPM is not signed by the key that was enrolled',
    ]);
    expect(await findings({ key, handle: '0x81010009', of: tpm })).toEqual([
      expect.stringMatching(/^its TPM gives no quote: it answers with the error 0x/),
    ]);
    expect(await findings({ key, handle: '0x81010002', of: join(dir, 'nothing') })).toEqual([
      expect.stringMatching(/^its TPM \(.*\) cannot be asked: .*is no device/),
    ]);
  });

  it('I18: an answer that was kept, altered or cut short counts for nothing', async () => {
    const dir = temporaryFolder();
    const [task, tpm] = [testTask(dir), await startTpm(join(dir, 'tpm'))];
    const about = {
      key: await tpm.enrol('ecc256:ecdsa-sha256:null', '0x81010002'),
      handle: '0x81010002',
      of: tpm,
    };
    let kept: Buffer = Buffer.alloc(0);
    const keep = (answer: Buffer) => (kept = answer);
    await askTpm(await machineWith(about, keep), REPORT, undefined, task);
    const answers: Record<string, (answer: Buffer) => Buffer> = {
      'answers another question': () => kept,
      'it does not answer': () => Buffer.alloc(0),
      'it answers with the error 0x101': () => Buffer.from('80010000000a00000101', 'hex'),
      'its answer is cut short': (answer) => withSize(answer.subarray(0, 40)),
      'not signed by the key': (answer) => answer.map((byte, at) => (at === 60 ? byte ^ 1 : byte)) as Buffer,
      'instead of': (answer) => Buffer.concat([answer, Buffer.from('x')]),
    };
    for (const [why, alter] of Object.entries(answers)) {
      const machine = await machineWith(about, (answer) => Buffer.from(alter(answer)));
      const { findings } = await askTpm(machine, REPORT, undefined, task);
      expect(findings.map(({ message }) => message)).toEqual([expect.stringContaining(why)]);
    }
  });

  it('a key that cannot be read is a fault here, and refuses no machine', async () => {
    const dir = temporaryFolder();
    const key = join(dir, 'key.pem');
    await writeFile(key, 'nothing');
    const machine = await machineWith({ key, handle: '0x81010002', of: '/dev/null' });
    await expect(askTpm(machine, REPORT, undefined, testTask(dir))).rejects.toMatchObject({ code: 'signing' });
  });
});

function withSize(answer: Buffer): Buffer {
  const copy = Buffer.from(answer);
  copy.writeUInt32BE(copy.length, 2);
  return copy;
}
