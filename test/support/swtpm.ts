import { existsSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { run, start } from '../../src/programs/exec.ts';
import { until } from './until.ts';

/** A TPM in software, with attestation keys in it. */
export interface TestTpm {
  /** Path that is the TPM while `work` is done, as /dev/tpmrm0 would be; for a program that opens it once. */
  with<Result>(work: (device: string) => Promise<Result>): Promise<Result>;
  /** Makes a restricted signing key at a persistent handle. @returns the file with its public half, in PEM */
  enrol(scheme: string, handle: string): Promise<string>;
  /** Runs a program of tpm2-tools on it. */
  tool(name: string, ...args: readonly string[]): Promise<void>;
}

const RESTRICTED = 'fixedtpm|fixedparent|sensitivedataorigin|userwithauth|restricted|sign';

/** Starts a TPM that ends with the test. @param dir made when missing */
export async function startTpm(dir: string): Promise<TestTpm> {
  await mkdir(dir, { recursive: true });
  const socket = join(dir, 'socket');
  const state = ['--tpm2', '--tpmstate', `dir=${dir}`, '--flags', 'not-need-init,startup-clear'];
  const tpm = await start('swtpm', ['socket', ...state, '--server', `type=unixio,path=${socket}`]);
  onTestFinished(() => tpm.stop());
  await until(() => existsSync(socket));
  const env = { TPM2TOOLS_TCTI: `cmd:socat - UNIX-CONNECT:${socket}` };
  const tool = async (name: string, ...args: readonly string[]) => void (await run(name, args, { env }));
  return {
    tool,
    async with(work) {
      const device = join(dir, 'device');
      const line = await start('socat', [`PTY,link=${device},raw,echo=0,wait-slave`, `UNIX-CONNECT:${socket}`]);
      try {
        await until(() => existsSync(device));
        return await work(device);
      } finally {
        // The TPM has one customer at a time.
        await line.stop();
        await rm(device, { force: true });
      }
    },
    async enrol(scheme, handle) {
      const [context, key] = [join(dir, `${handle}.ctx`), join(dir, `${handle}.pem`)];
      await tool('tpm2_createprimary', '-Q', '-C', 'o', '-G', scheme, '-a', RESTRICTED, '-c', context);
      await tool('tpm2_evictcontrol', '-Q', '-C', 'o', '-c', context, handle);
      await tool('tpm2_flushcontext', '-t');
      await tool('tpm2_readpublic', '-Q', '-c', handle, '-f', 'pem', '-o', key);
      return key;
    },
  };
}
