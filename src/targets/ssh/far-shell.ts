import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { NightlyError } from '../../base/errors.ts';
import { linesOf } from '../../base/lines.ts';
import { shellWord } from '../../base/quoting.ts';
import { codeFile } from '../../base/shipped.ts';
import type { Task } from '../../base/task.ts';
import { converse } from '../../programs/converse.ts';
import { remoteFault } from '../../programs/remote-fault.ts';
import { accountOf, type SshAccess, sshArguments } from '../../programs/ssh.ts';

/** One connection to the far side's shell, which answers requests in the order they are written. */
export interface FarShell {
  write(content: string | Uint8Array): void;
  /** Passes on a stream of bytes. */
  pour(from: Readable): Promise<void>;
  /** The lines of the next answer. @throws whatever; ask `fault` what it was. */
  answer(): AsyncGenerator<string>;
  /** Settles when the connection ended, in whatever way. */
  readonly ended: Promise<void>;
  /** Why the connection is of no more use, once it ended. */
  fault(): Promise<NightlyError>;
  end(): void;
  kill(): void;
  /** Whether an open connection keeps this program from ending. */
  hold(held: boolean): void;
}

export interface FarPlace extends SshAccess {
  /** `[user@]host:/path` */
  readonly destination: string;
}

/** Time for a connection that broke to say why. */
const LAST_WORDS_MS = 10_000;

/** Opens a connection; the first answer shows whether that worked. */
export function openShell(place: FarPlace, task: Task): FarShell {
  const account = accountOf(place.destination);
  const path = place.destination.slice(place.destination.indexOf(':/') + 1);
  const options = sshArguments(place);
  const command = `exec sh -c ${shellWord(farScript())} sh ${shellWord(path)}`;
  const shown = [...options, account, 'sh'];
  const ssh = converse('ssh', [...options, '--', account, command], { task, shown });
  // A line feed ends a line and nothing else: paths stand on them.
  const lines = linesOf(ssh.stdout, { carriageReturns: false });
  const nextLine = async (): Promise<string> => {
    const { value, done } = await lines.next();
    if (done) throw new Error('the far shell ended');
    return value;
  };
  const over = new AbortController();
  const ended = ssh.ended.catch(() => undefined).then(() => over.abort());
  let greeted = false;
  return {
    write: (content) => void ssh.stdin.write(content),
    async pour(from) {
      for await (const chunk of from) {
        if (!ssh.stdin.write(chunk)) await once(ssh.stdin, 'drain', { signal: over.signal });
      }
    },
    async *answer() {
      // A start file of the account may print something first.
      while (!greeted) greeted = (await nextLine()) === 'atomic-nightly ready';
      for (let line = await nextLine(); line !== 'ok'; line = await nextLine()) yield line;
    },
    async fault() {
      ssh.stdin.end();
      const timer = setTimeout(() => ssh.kill(), LAST_WORDS_MS);
      const error = await ssh.ended.catch((reason: unknown) => reason);
      clearTimeout(timer);
      if (error instanceof NightlyError) return remoteFault(error, place.destination);
      return new NightlyError('target-unreachable', `The connection to ${place.destination} ended early.`, {
        hint: 'Run "atomic-nightly resume".',
        cause: error,
      });
    },
    ended,
    end: () => void ssh.stdin.end(),
    kill: () => ssh.kill(),
    hold: (held) => ssh.hold(held),
  };
}

const farScript = (): string => readFileSync(codeFile('targets/ssh/far.sh'), 'utf8');
