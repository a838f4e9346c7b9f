import { connect } from 'node:net';
import { NightlyError } from '../base/errors.ts';
import { plainShellWord, sshOptionPath } from '../base/quoting.ts';
import type { Task } from '../base/task.ts';
import { type RunResult, run } from './exec.ts';

/** A machine reached over ssh with a key of its own. */
export interface SshHost {
  readonly address: string;
  readonly port: number;
  readonly user: string;
  /** Private key file. */
  readonly keyFile: string;
}

export interface SshOptions {
  readonly timeoutMs?: number;
  /** Ports of this machine's 127.0.0.1 that the far side sees under the same number on its own. */
  readonly reversePorts?: readonly number[];
  readonly okExitCodes?: readonly number[];
  /** Written to the command's standard input, which is otherwise empty. */
  readonly input?: string;
  /** Called for each line as it arrives; standard output is not kept then. */
  readonly onLine?: (line: string, stream: 'stdout' | 'stderr') => void;
}

/** How to reach an account on a machine that matters; what is left out is as ssh itself has it. */
export interface SshAccess {
  readonly identityFile?: string;
  readonly knownHostsFile?: string;
  readonly port?: number;
}

/**
 * Arguments of ssh that make it never ask and never learn a host key by itself.
 * @param controlPath socket of a connection to share; without it, it shares none
 * @throws NightlyError `usage` for a file whose path has `${` in it
 */
export function sshArguments({ identityFile, knownHostsFile, port }: SshAccess, controlPath?: string): string[] {
  const options = ['BatchMode=yes', 'StrictHostKeyChecking=yes', 'ConnectTimeout=20', 'ServerAliveInterval=15'];
  // A shared connection of the user's own ssh would live on in the background, with our output open.
  options.push(
    'ControlMaster=no',
    controlPath === undefined ? 'ControlPath=none' : fileOption('ControlPath', controlPath),
    'ClearAllForwardings=yes',
  );
  if (knownHostsFile !== undefined)
    options.push(fileOption('UserKnownHostsFile', knownHostsFile), 'GlobalKnownHostsFile=/dev/null');
  if (identityFile !== undefined) options.push('IdentitiesOnly=yes', fileOption('IdentityFile', identityFile));
  return [...options.flatMap((option) => ['-o', option]), ...(port === undefined ? [] : ['-p', String(port)])];
}

function fileOption(name: string, path: string): string {
  // ssh would put an environment variable there, and knows no other way to write it.
  if (path.includes('${'))
    throw new NightlyError('usage', `ssh takes no ${name} whose path has \${ in it: ${path}.`, {
      hint: 'Move the file to a path without ${, or rename its folder.',
    });
  return `${name}=${sshOptionPath(path)}`;
}

/** `user@host` of `user@host:/path`, without the brackets of an IPv6 address: ssh itself takes none. */
export function accountOf(destination: string): string {
  return destination.slice(0, destination.indexOf(':/')).replace(/\[(.*)\]$/, '$1');
}

/** ssh ends with this code when it could not connect or the connection broke; other codes are the command's. */
export const SSH_CONNECTION_FAILED = 255;

/** Makes a key pair without a passphrase. @returns the public key's line. @throws NightlyError `tool-missing`. */
export async function makeSshKey(file: string, comment: string, task: Task): Promise<string> {
  await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', comment, '-f', file], { task });
  return (await run('ssh-keygen', ['-y', '-f', file], { task })).stdout.trim();
}

/**
 * Runs a shell command line on a throw-away machine. Its host key was made minutes ago and is known to nobody, so it is
 * not checked; never use this for a machine that matters.
 * @throws NightlyError `tool-failed` when it ends with another code than the ok ones, or does not end in time.
 */
export async function sshToThrowAway(
  host: SshHost,
  command: string,
  options: SshOptions,
  task: Task,
): Promise<RunResult> {
  return run(
    'ssh',
    [
      ...['-F', '/dev/null', '-i', host.keyFile, '-p', String(host.port), '-l', host.user],
      ...['BatchMode=yes', 'IdentitiesOnly=yes', 'StrictHostKeyChecking=no', 'UserKnownHostsFile=/dev/null']
        // How long it may take is the caller's to say: under emulation beside other work, a greeting can take minutes. A machine
        // that restarted meanwhile refuses the first question.
        .concat(['LogLevel=ERROR', 'ServerAliveInterval=10', 'ServerAliveCountMax=100000'])
        .flatMap((option) => ['-o', option]),
      // Without it a command would run on, and fail later for a reason that hides the real one.
      ...(options.reversePorts?.length ? ['-o', 'ExitOnForwardFailure=yes'] : []),
      ...(options.reversePorts ?? []).flatMap((port) => ['-R', `127.0.0.1:${port}:127.0.0.1:${port}`]),
      ...[host.address, command],
    ],
    {
      task,
      okExitCodes: options.okExitCodes ?? [0],
      timeoutMs: options.timeoutMs,
      onLine: options.onLine,
      ...(options.input !== undefined && { input: options.input }),
    },
  );
}

/** Returns the command line by which a person logs in to a throw-away machine. */
export function throwAwayLogin(
  { address, port, user, keyFile }: SshHost,
  reversePorts: readonly number[] = [],
): string {
  const options = ['StrictHostKeyChecking=no', 'UserKnownHostsFile=/dev/null', 'LogLevel=ERROR'];
  const words = [
    ...['ssh', '-p', String(port), '-i', keyFile, ...options.flatMap((option) => ['-o', option])],
    ...reversePorts.flatMap((one) => ['-R', `127.0.0.1:${one}:127.0.0.1:${one}`]),
    `${user}@${address}`,
  ];
  return words.map(plainShellWord).join(' ');
}

/** Whether an ssh server greets on that port within the time; cheaper than starting ssh to find out. */
export async function sshGreets(address: string, port: number, timeoutMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port });
    const end = (greeted: boolean) => {
      socket.destroy();
      resolve(greeted);
    };
    socket.setTimeout(timeoutMs, () => end(false));
    socket.once('error', () => end(false));
    socket.once('close', () => end(false));
    socket.once('data', (bytes) => end(bytes.toString('latin1').startsWith('SSH-')));
  });
}
