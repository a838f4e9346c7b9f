import { createHash, randomBytes } from 'node:crypto';
import { NightlyError } from '../base/errors.ts';
import { oneLine } from '../base/one-line.ts';
import type { Task } from '../base/task.ts';
import type { MachineConfig } from '../config/builders.ts';
import type { FarMachine } from './far-machine.ts';
import type { ProbeFinding } from './judge-probe.ts';
import {
  faultOfQuote,
  NoQuote,
  parseQuote,
  type Quote,
  quoteCommand,
  readAttestationKey,
  wantsRetry,
} from './tpm-quote.ts';

/** What of a machine is needed to ask its TPM. */
export type AskedMachine = Pick<FarMachine, 'call'> & { readonly config: Pick<MachineConfig, 'tpm'> };

/** A TPM signs within seconds; some of the slow ones take many. */
const STALL_SECONDS = 120;

/** A TPM that has just been started puts questions off while it tests itself. */
const TRIES = 10;

/**
 * Asks the TPM of a machine, where the configuration names its key, to sign what it has measured since the machine was started:
 * firmware, boot loader and what else extends the registers. The question has a fresh number and the digest of the machine's report
 * in it, so an answer cannot be kept and given again. It says nothing of what came after the measurements; a TPM in software says
 * nothing at all about the machine.
 * @param report SHA-256 of the machine's report
 * @param expected digest over the registers at the first accepted check; undefined when there was none
 * @returns what is wrong, and that digest now
 * @throws NightlyError `builder-unreachable`, `signing` when the key cannot be read.
 */
export async function askTpm(
  machine: AskedMachine,
  report: string,
  expected: string | undefined,
  task: Task,
): Promise<{ readonly findings: readonly ProbeFinding[]; readonly pcrDigest?: string }> {
  const { tpm } = machine.config;
  if (tpm === undefined) return { findings: [] };
  const key = await readAttestationKey(tpm.key);
  const nonce = createHash('sha256').update(randomBytes(32)).update(report).digest();
  const request = { handle: Number(tpm.handle), pcrs: tpm.pcrs, nonce };
  const refused = (message: string) => ({ findings: [{ kind: 'tpm' as const, message }] });
  let quote: Quote;
  try {
    const command = quoteCommand(request).toString('base64');
    const ask = () => machine.call('tpm', [tpm.device, command], task, { stallSeconds: STALL_SECONDS });
    let answer = await ask();
    for (let tries = 1; tries < TRIES && wantsRetry(answer); tries += 1) answer = await ask();
    quote = parseQuote(answer);
  } catch (error) {
    if (error instanceof NoQuote) return refused(`its TPM gives no quote: ${error.message}`);
    if (!(error instanceof NightlyError) || error.code !== 'tool-failed') throw error;
    return refused(`its TPM (${tpm.device}) cannot be asked: ${oneLine(error.message)}`);
  }
  const fault = faultOfQuote(quote, request, key);
  if (fault !== undefined) return refused(`the quote of its TPM ${fault}`);
  const pcrDigest = quote.pcrDigest.toString('hex');
  if (expected === undefined || expected === pcrDigest) return { findings: [], pcrDigest };
  const message = `its TPM has measured other firmware, or another boot: registers ${tpm.pcrs.join(', ')} were ${expected} and are ${pcrDigest}`;
  return { ...refused(message), pcrDigest };
}
