import { once } from 'node:events';
import { type ByteReader, byteReader, EndedEarly } from '../../base/byte-reader.ts';
import { NightlyError } from '../../base/errors.ts';
import type { Task } from '../../base/task.ts';
import { converse } from '../../programs/converse.ts';
import { remoteFault } from '../../programs/remote-fault.ts';
import { sshArguments } from '../../programs/ssh.ts';
import type { SshPlace } from '../../targets/target-url.ts';

/** The command that is asked for; sshd starts `receive` in its place (docs/formats.md). */
export const PUSH_COMMAND = 'atomic-nightly receive 1';

/** An ssh connection to an account that may take pushes. */
export interface ReceiverLine {
  readonly place: SshPlace;
  /** Names the far side in messages. */
  readonly name: string;
  readonly reader: ByteReader;
  write(bytes: Uint8Array | string): Promise<void>;
  /** Ends the connection in good order. @throws NightlyError with what ssh itself says of its end. */
  hangUp(): Promise<void>;
  /** What to throw for a fault that was met while the connection was in use: that of ssh, if it has ended. */
  causeOf(error: unknown): Promise<unknown>;
  /** Ends it at once; may be called again. */
  close(): void;
}

/** Exit codes of the far command; 255 is that of ssh itself. */
const NOT_OF_SSH = Array.from({ length: 255 }, (_, code) => code);

/** Begins to connect. This imports little, so that ssh is on its way while the rest of a push is loaded. */
export function openReceiverLine(place: SshPlace, task: Task): ReceiverLine {
  const name = `${place.account}:${place.path}`;
  const account = place.account.replace(/\[(.*)\]$/, '$1');
  const ssh = converse('ssh', [...sshArguments(place.ssh), '-T', '--', account, PUSH_COMMAND], {
    task,
    okExitCodes: NOT_OF_SSH,
  });
  task.signal.addEventListener('abort', ssh.kill, { once: true });
  const ended = new AbortController();
  void ssh.ended.catch(() => undefined).then(() => ended.abort());
  const hangUp = async (): Promise<void> => {
    ssh.stdin.end();
    await ssh.ended.catch((reason: unknown) => {
      throw reason instanceof NightlyError ? remoteFault(reason, name) : reason;
    });
  };
  return {
    place,
    name,
    reader: byteReader(ssh.stdout),
    async write(bytes) {
      if (!ssh.stdin.write(bytes)) await once(ssh.stdin, 'drain', { signal: ended.signal });
    },
    hangUp,
    async causeOf(error) {
      // Anything else is a fault of its own.
      const isOfLine = error instanceof EndedEarly || (ended.signal.aborted && !(error instanceof NightlyError));
      if (!isOfLine) return error;
      const said = await hangUp().catch((reason: unknown) => reason);
      if (said !== undefined) return said;
      return new NightlyError('target-unreachable', `The connection to ${name} ended early.`, {
        hint: 'Run the same push again.',
        cause: error,
      });
    },
    close() {
      task.signal.removeEventListener('abort', ssh.kill);
      ssh.kill();
    },
  };
}
