import { NightlyError } from '../base/errors.ts';
import type { Task } from '../base/task.ts';
import { run } from './exec.ts';
import { findProgram } from './find-program.ts';

/** Whoever signs for Sigsum, and which logs and witnesses are enough. */
export interface SigsumSubmitter {
  /** File with logs, witnesses and quorum, in Sigsum's format. */
  readonly policy: string;
  /** Private key in OpenSSH format, or the public half of one that an ssh-agent has. */
  readonly keyFile: string;
  /** Lets its owner into logs that limit who submits: the domain has the public half in its DNS. */
  readonly token?: { readonly domain: string; readonly keyFile: string };
  readonly timeoutSeconds: number;
}

const SUBMIT = 'sigsum-submit';

/** Requires Sigsum's program. @throws NightlyError `tool-missing` */
export async function requireSigsum(): Promise<void> {
  if ((await findProgram(SUBMIT)) !== undefined) return;
  throw new NightlyError('tool-missing', `The program ${SUBMIT} is not installed.`, {
    hint: 'On Debian it is in the package sigsum-go; or take "sigsum" out of the configuration.',
  });
}

/**
 * Has a Sigsum log take the digest of a file, signed, and waits for its proof with the cosignatures that the policy asks for.
 * sigsum-submit verifies that before it writes it.
 * @param proof the file to write
 * @throws NightlyError `unwitnessed` when there is no proof, `tool-missing`.
 */
export async function submitToSigsum(
  file: string,
  proof: string,
  submitter: SigsumSubmitter,
  task: Task,
): Promise<void> {
  const { timeoutSeconds, token } = submitter;
  const limits = ['--timeout', `${timeoutSeconds}s`];
  const tokens = token === undefined ? [] : ['--token-domain', token.domain, '--token-signing-key', token.keyFile];
  try {
    // Its own limit comes first, which says what was missing.
    const timeoutMs = (timeoutSeconds + 15) * 1000;
    await run(SUBMIT, [...trustOf(submitter), ...limits, ...tokens, '--output', proof, file], { task, timeoutMs });
  } catch (error) {
    task.signal.throwIfAborted();
    if (!(error instanceof NightlyError) || error.code !== 'tool-failed') throw error;
    throw new NightlyError('unwitnessed', `Sigsum has no proof of the signed statement: ${error.message}`, {
      hint: 'Nothing of the build is published without it. Once the log and its witnesses answer, "atomic-nightly resume" goes on there.',
      ...(error.log === undefined ? {} : { log: error.log }),
      cause: error,
    });
  }
}

/**
 * Whether the proof beside a file, which has its name and `.proof`, is one of that file, by this key and policy. No log is asked.
 * @throws NightlyError `tool-missing`
 */
export async function hasSigsumProof(file: string, submitter: SigsumSubmitter, task: Task): Promise<boolean> {
  // It submits nothing where there is a proof.
  return (await run(SUBMIT, [...trustOf(submitter), file], { task, okExitCodes: [0, 1] })).exitCode === 0;
}

const trustOf = ({ policy, keyFile }: SigsumSubmitter): string[] => ['--policy', policy, '--signing-key', keyFile];
