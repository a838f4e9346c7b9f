import { connect, type Socket } from 'node:net';
import type { Readable, Writable } from 'node:stream';
import { StringDecoder } from 'node:string_decoder';
import { setTimeout as sleep } from 'node:timers/promises';
import { isErrno } from '../base/files.ts';
import type { Guest } from './boot-image.ts';
import { machineFault, withoutControl } from './serial-log.ts';

/** The byte that leaves the console: Ctrl-], as in telnet and virsh console. */
export const LEAVE = 0x1d;

/** Who sits at a machine's serial line. */
export interface Console {
  readonly guest: Pick<Guest, 'console' | 'ended' | 'serialLog'>;
  readonly input: Readable & { setRawMode?: (raw: boolean) => unknown };
  readonly output: Writable;
  /** Typed in at the first prompt; undefined: the person does it. */
  readonly login: { readonly user: string; readonly password: string } | undefined;
  readonly signal: AbortSignal;
}

/**
 * Connects a terminal to a machine's serial line, byte for byte: Ctrl-C and the like are the guest's, Ctrl-] leaves.
 * Resolves when the person has left, the machine has closed the line, or the signal was given.
 * @throws NightlyError `gate-failed` when the machine ends before it has a line.
 */
export async function attachConsole({ guest, input, output, login, signal }: Console): Promise<void> {
  const line = await connectTo(guest, signal);
  const type = login && typist(login, (text) => line.write(text));
  const send = (bytes: Buffer): void => {
    const at = bytes.indexOf(LEAVE);
    line.write(at < 0 ? bytes : bytes.subarray(0, at));
    if (at >= 0) line.end();
  };
  const leave = (): unknown => line.destroy();
  input.setRawMode?.(true);
  signal.addEventListener('abort', leave, { once: true });
  input.on('data', send);
  line.on('data', (bytes: Buffer) => {
    output.write(bytes);
    type?.(bytes);
  });
  try {
    await new Promise<void>((settle, refuse) => {
      line.once('close', () => settle());
      // A machine that ends closes the line as roughly as it likes.
      line.once('error', (error) =>
        isErrno(error, 'ECONNRESET') || isErrno(error, 'EPIPE') ? settle() : refuse(error),
      );
      if (signal.aborted) leave();
    });
  } finally {
    signal.removeEventListener('abort', leave);
    input.off('data', send);
    input.pause();
    input.setRawMode?.(false);
    line.destroy();
  }
}

/** QEMU makes the socket a moment after it was started. */
async function connectTo(guest: Console['guest'], signal: AbortSignal): Promise<Socket> {
  for (;;) {
    const line = connect(guest.console?.socket ?? '');
    const fault = await new Promise<Error | undefined>((settle) => {
      line.once('connect', () => settle(undefined)).once('error', settle);
    });
    if (fault === undefined) return line;
    if (!isErrno(fault, 'ENOENT') && !isErrno(fault, 'ECONNREFUSED')) throw fault;
    if (guest.ended() !== undefined)
      throw await machineFault(guest, `The machine ended by itself (exit code ${guest.ended()}).`);
    await sleep(100, undefined, { signal });
  }
}

/** Returns a listener that answers the first login prompt, once. */
function typist({ user, password }: NonNullable<Console['login']>, write: (text: string) => void) {
  const decoder = new StringDecoder('utf8');
  const answers: [RegExp, string][] = [
    [/login: *$/, user],
    [/[Pp]assword: *$/, password],
  ];
  let seen = '';
  return (bytes: Buffer): void => {
    seen = `${seen}${decoder.write(bytes)}`.slice(-1000);
    const [prompt, answer = ''] = answers[0] ?? [];
    if (!prompt?.test(withoutControl(seen))) return;
    answers.shift();
    seen = '';
    write(`${answer}\r`);
  };
}
