import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import pRetry, { AbortError } from 'p-retry';
import { NightlyError } from '../base/errors.ts';
import { runningLimit } from '../base/running-time.ts';
import type { Task } from '../base/task.ts';
import { converse } from '../programs/converse.ts';
import { findProgram } from '../programs/find-program.ts';
import type { Signable } from './signer.ts';

/** More than this is not a signature. */
const MAX_BYTES = 64 * 1024;

/** The first wait between two tries; each further one is twice as long. */
const FIRST_WAIT_MS = 1000;

/** A program that signs, and how long it is waited for. */
export interface SigningProgram {
  readonly command: readonly [string, ...string[]];
  /** Time limit of one try. */
  readonly timeoutSeconds: number;
  /** Number of further tries. */
  readonly retries: number;
}

/** Refuses a program that is not there. @throws NightlyError `signing`. */
export async function requireSigningProgram([program]: SigningProgram['command'], block: string): Promise<void> {
  if (await findProgram(program)) return;
  throw new NightlyError('signing', `The signer ${program} is not there, or cannot be run by this user.`, {
    hint: `Correct "command" under "${block}" in the configuration; a relative path is taken from the folder of that file.`,
  });
}

/**
 * Has a program sign: the bytes go to its standard input, the signature comes from its standard output, and what it prints on
 * standard error goes into the step's log.
 * @throws NightlyError `signing`, `tool-missing`.
 */
export async function askSigningProgram(
  config: SigningProgram,
  what: Signable,
  { signatureIn, kind, wanted }: Answer,
  task: Task,
): Promise<Uint8Array> {
  const limits = { retries: config.retries, minTimeout: FIRST_WAIT_MS, signal: task.signal };
  const output = await pRetry(async (tries) => {
    return ask(config, what, task).catch((error: unknown) => {
      task.signal.throwIfAborted();
      // A program that is not installed will not be there in a second either.
      if (!(error instanceof NightlyError) || error.code === 'tool-missing') throw new AbortError(asError(error));
      const left = config.retries + 1 - tries;
      task.say(`${error.message.split('\n')[0] ?? ''}${left > 0 ? '; trying again' : ''}`);
      throw error;
    });
  }, limits);
  // Whoever answers with something else would do so again.
  const signature = signatureIn(new Uint8Array(output));
  if (signature !== undefined) return signature;
  const printed = output.length === 0 ? 'nothing' : `something that is no ${kind}`;
  throw new NightlyError('signing', `The signer ${config.command[0]} printed ${printed}.`, {
    hint: `It must print ${wanted} on standard output, and everything else on standard error.`,
    log: task.logFile,
  });
}

/** What a signer is to answer with. */
export interface Answer {
  /** Returns the signature that the output holds; undefined when it holds none. */
  readonly signatureIn: (output: Uint8Array) => Uint8Array | undefined;
  /** What is asked for, as in `OpenPGP signature`. */
  readonly kind: string;
  /** What it must print, as in `one detached signature, armored or binary`. */
  readonly wanted: string;
}

async function ask(config: SigningProgram, what: Signable, task: Task): Promise<Buffer> {
  const [program, ...args] = config.command;
  task.signal.throwIfAborted();
  // Logs are published with the build.
  const signer = converse(program, args, { task, shown: args.length === 0 ? [] : ['…'] });
  let late = false;
  const limit = runningLimit(config.timeoutSeconds * 1000, () => {
    late = true;
    signer.kill();
  });
  task.signal.addEventListener('abort', signer.kill, { once: true });
  try {
    // It may answer, or give up, before it has read everything: its exit code shows which.
    const given = pipeline(contentOf(what), signer.stdin).catch(() => undefined);
    const output = await collect(signer.stdout);
    if (output.length > MAX_BYTES) {
      signer.kill();
      return output;
    }
    await signer.ended;
    await given;
    return output;
  } catch (error) {
    task.signal.throwIfAborted();
    throw late ? timedOut(config, task) : failed(config, error, task);
  } finally {
    limit.end();
    task.signal.removeEventListener('abort', signer.kill);
  }
}

const contentOf = (what: Signable): Readable =>
  what instanceof Uint8Array ? Readable.from([what]) : createReadStream(what.file, { highWaterMark: 1 << 20 });

/** Returns all it prints, but for what comes when that is too much already. */
async function collect(stdout: Readable): Promise<Buffer> {
  let output = Buffer.alloc(0);
  for await (const part of stdout) {
    output = Buffer.concat([output, Buffer.from(part)]);
    if (output.length > MAX_BYTES) break;
  }
  return output;
}

function timedOut({ command: [program], timeoutSeconds }: SigningProgram, task: Task): NightlyError {
  return new NightlyError('signing', `The signer ${program} did not answer within ${timeoutSeconds} s.`, {
    hint: 'See whether its server answers; a signer that asks a person needs a longer "timeout". Then run "atomic-nightly resume".',
    log: task.logFile,
  });
}

/** The last line it printed says why, as a rule. */
function failed({ command: [program] }: SigningProgram, error: unknown, task: Task): unknown {
  if (!(error instanceof NightlyError) || error.code === 'tool-missing') return error;
  const [first = '', ...lines] = error.message.split('\n');
  const how = /(ended with exit code \d+|was killed by \w+)\.$/.exec(first)?.[1] ?? 'failed';
  const last = lines.at(-1);
  return new NightlyError('signing', `The signer ${program} ${how}${last === undefined ? '' : `: ${last}`}`, {
    hint: 'The log has its output. When the cause is fixed, run "atomic-nightly resume".',
    log: task.logFile,
  });
}

const asError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)));
