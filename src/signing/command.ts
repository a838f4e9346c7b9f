import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import pRetry, { AbortError } from 'p-retry';
import { NightlyError } from '../base/errors.ts';
import { dearmored, signaturePackets } from '../base/openpgp-packets.ts';
import { readPublicFile } from '../base/secret-file.ts';
import type { Task } from '../base/task.ts';
import type { SigningCommandConfig } from '../config/config.ts';
import { converse } from '../programs/converse.ts';
import { findProgram } from '../programs/find-program.ts';
import { readKeyInfo, refuseUnusable } from './key-info.ts';
import { chosenParts, oldestClientKey, partName, signingPartsOf } from './key-parts.ts';
import type { Signable, Signer } from './signer.ts';
import { signingFile } from './signing-file.ts';

/** More than this is no signature. */
const MAX_BYTES = 64 * 1024;

/** The first wait between two tries; each further one is twice as long. */
const FIRST_WAIT_MS = 1000;

/**
 * Has another program sign: the bytes go to its standard input, the signature comes from its standard output, and what
 * it prints on standard error goes into the step's log.
 */
export function commandSigner(config: SigningCommandConfig): Signer {
  const { publicKeyFile, retries, command, subkeys } = config;
  const publicKey = async (): Promise<Uint8Array> =>
    dearmored(await readPublicFile(publicKeyFile, signingFile('public key')));
  return {
    publicKey,
    async clientKey() {
      const key = await publicKey();
      // The file is what clients were given, unless the configuration says what they have of it.
      if (subkeys === undefined) return key;
      return oldestClientKey(key, chosenParts(await signingPartsOf(key), subkeys, publicKeyFile).map(partName));
    },
    async check() {
      refuseUnusable(await readKeyInfo(await publicKey(), publicKeyFile));
      if (subkeys !== undefined) chosenParts(await signingPartsOf(await publicKey()), subkeys, publicKeyFile);
      if (await findProgram(command[0])) return;
      throw new NightlyError('signing', `The signer ${command[0]} is not there, or cannot be run by this user.`, {
        hint: 'Correct "command" under "signing" in the configuration; a relative path is taken from the folder of that file.',
      });
    },
    async sign(what, task) {
      const limits = { retries, minTimeout: FIRST_WAIT_MS, signal: task.signal };
      return pRetry(
        async (tries) => {
          const output = await ask(config, what, task).catch((error: unknown) => {
            task.signal.throwIfAborted();
            // A program that is not installed will not be there in a second either.
            if (!(error instanceof NightlyError) || error.code === 'tool-missing') throw new AbortError(asError(error));
            const left = retries + 1 - tries;
            task.say(`${error.message.split('\n')[0] ?? ''}${left > 0 ? '; trying again' : ''}`);
            throw error;
          });
          return signatureIn(output, config, task);
        },
        {
          ...limits,
          shouldRetry: ({ error }) => error instanceof NightlyError && !(error.cause instanceof NoSignature),
        },
      );
    },
  };
}

/** The program answered, but not with a signature: it would do so again. */
class NoSignature extends Error {}

async function ask(config: SigningCommandConfig, what: Signable, task: Task): Promise<Buffer> {
  const [program, ...args] = config.command;
  task.signal.throwIfAborted();
  // Logs are published with the build.
  const signer = converse(program, args, { task, shown: args.length === 0 ? [] : ['…'] });
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    signer.kill();
  }, config.timeoutSeconds * 1000);
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
    clearTimeout(timer);
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

function signatureIn(output: Buffer, { command: [program] }: SigningCommandConfig, task: Task): Uint8Array {
  try {
    const signature = dearmored(new Uint8Array(output));
    signaturePackets(signature);
    return signature;
  } catch {
    const what = output.length === 0 ? 'nothing' : 'something that is no OpenPGP signature';
    throw new NightlyError('signing', `The signer ${program} printed ${what}.`, {
      hint: 'It must print one detached signature, armored or binary, on standard output, and everything else on standard error.',
      cause: new NoSignature(),
      log: task.logFile,
    });
  }
}

function timedOut({ command: [program], timeoutSeconds }: SigningCommandConfig, task: Task): NightlyError {
  return new NightlyError('signing', `The signer ${program} did not answer within ${timeoutSeconds} s.`, {
    hint: 'See whether its server answers; a signer that asks a person needs a longer "timeout". Then run "atomic-nightly resume".',
    log: task.logFile,
  });
}

/** The last line it printed says why, as a rule. */
function failed({ command: [program] }: SigningCommandConfig, error: unknown, task: Task): unknown {
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
