import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { NightlyError } from '../base/errors.ts';
import { sha256, writeFileAtomic } from '../base/files.ts';
import { oneLine } from '../base/one-line.ts';
import { sftpWord, shellWord } from '../base/quoting.ts';
import { runningLimit } from '../base/running-time.ts';
import { codeFile } from '../base/shipped.ts';
import type { Task } from '../base/task.ts';
import type { MachineConfig } from '../config/builders.ts';
import { type Conversation, converse } from '../programs/converse.ts';
import { run } from '../programs/exec.ts';
import { sshArguments } from '../programs/ssh.ts';
import { type SharedSsh, sharedSsh } from '../programs/ssh-shared.ts';
import { staticBusybox } from './static-busybox.ts';

/**
 * A builder, over one ssh connection with a pinned host key, which is opened again after any failure. What runs there is far.sh,
 * read by a static busybox; of the machine itself only sshd (with its sftp) and the login shell of root.
 */
export interface FarMachine {
  readonly config: MachineConfig;
  /** Bytes of input that calls have sent to it so far. */
  readonly sent: () => number;
  /**
   * Runs a verb of far.sh. The deadline counts progress: so many seconds without a byte in either direction.
   * @returns its output
   * @throws NightlyError `builder-unreachable`, `builder-host-key`, `tool-failed` when the verb itself failed.
   */
  call(verb: string, args: readonly string[], task: Task, options?: CallOptions): Promise<Buffer>;
  /** Ends the connection; a later call opens another one. */
  close(): void;
}

export interface CallOptions {
  /** Standard input. */
  readonly input?: AsyncIterable<Buffer>;
  /** Given the output as it arrives, which is then not returned. */
  readonly onOutput?: (chunk: Buffer) => Promise<void>;
  readonly stallSeconds?: number;
}

/** The folder on a builder that is ours; its content is checked whenever it counts. */
export const FAR_FOLDER = '/var/lib/atomic-nightly-builder';
const BUSYBOX = `${FAR_FOLDER}/busybox`;
const SCRIPTS = ['far.sh', 'probe.sh'] as const;
const STALL_SECONDS = 120;
/** More than any list or report of a real machine. */
const MOST_OUTPUT = 256 * 1024 * 1024;

/** Path of a script that runs on builders, here. */
export const farScript = (name: (typeof SCRIPTS)[number]): string => codeFile(`builders/${name}`);

/** Returns the arguments of ssh and sftp that take the pinned host key of a machine and no other, over a socket. */
async function connectionArguments(
  { name, ssh }: MachineConfig,
  work: string,
): Promise<(controlPath?: string) => string[]> {
  const knownHostsFile = join(work, 'builders', name, 'known_hosts');
  const alias = `builder-${name}`;
  await writeFileAtomic(knownHostsFile, `${alias} ${ssh.hostKey}\n`);
  const { identityFile } = ssh;
  return (controlPath) => [
    ...sshArguments({ knownHostsFile, ...(identityFile === undefined ? {} : { identityFile }) }, controlPath),
    ...[`HostKeyAlias=${alias}`, 'UpdateHostKeys=no', `Port=${ssh.port}`, `User=${ssh.user}`].flatMap((one) => [
      '-o',
      one,
    ]),
  ];
}

/**
 * Opens a builder: sends busybox and the scripts, unless what is there is the same already. Nothing of a job is sent.
 * @param work the work folder, which has the pinned key as ssh reads it
 * @throws NightlyError `builder-unreachable`, `builder-host-key`, `tool-missing`.
 */
export async function openMachine(config: MachineConfig, work: string, task: Task): Promise<FarMachine> {
  const args = await connectionArguments(config, work);
  const { host } = config.ssh;
  const shared = sharedSsh({ args: (controlPath) => [...args(controlPath), host], fault: (error) => error });
  let sent = 0;
  const ask = (command: string, shown: string, callOptions: CallOptions) =>
    converseWith(
      {
        config,
        shared,
        shown,
        count: (bytes) => (sent += bytes),
        args: (controlPath) => [...args(controlPath), host, command],
      },
      task,
      callOptions,
    );
  const sources = [await staticBusybox(), ...SCRIPTS.map(farScript)];
  const paths = [BUSYBOX, ...SCRIPTS.map((name) => `${FAR_FOLDER}/${name}`)];
  const wanted = await Promise.all(
    sources.map(async (path, index) => `${sha256(await readFile(path))}  ${paths[index]}`),
  );
  const look = `test -x ${BUSYBOX} && exec ${BUSYBOX} sha256sum ${paths.join(' ')} 2>&1; exit 0`;
  const found = await ask(look, 'sha256sum', {});
  if (found.toString('utf8').trim() !== wanted.join('\n')) await upload({ config, shared, args }, sources, task);
  return {
    config,
    sent: () => sent,
    call: (verb, args, _, callOptions = {}) => {
      const words = [verb, ...args].map(shellWord).join(' ');
      return ask(`exec ${BUSYBOX} sh ${FAR_FOLDER}/far.sh ${words}`, verb, callOptions);
    },
    close: () => shared.drop(),
  };
}

interface Connection {
  readonly config: MachineConfig;
  readonly shared: SharedSsh;
  readonly args: (controlPath?: string) => readonly string[];
}

/** Sends by sshd's own sftp: no program of the machine is needed to write a file and make it one that runs. */
async function upload({ config, shared, args }: Connection, sources: readonly string[], task: Task): Promise<void> {
  const names = ['busybox', ...SCRIPTS];
  const lines = [
    `-mkdir ${FAR_FOLDER}`,
    `chmod 755 ${FAR_FOLDER}`,
    ...sources.flatMap((path, index) => {
      const to = `${FAR_FOLDER}/${names[index]}`;
      return [`put ${sftpWord(path)} ${to}.new`, `chmod 755 ${to}.new`, `rename ${to}.new ${to}`];
    }),
  ];
  const options = { task, input: `${lines.join('\n')}\n` };
  try {
    await shared.use(task, (path) => run('sftp', [...args(path), '-b', '-', config.ssh.host], options));
  } catch (error) {
    shared.drop();
    throw machineFault(error, config);
  }
}

interface Asked extends Connection {
  readonly shown: string;
  readonly count: (bytes: number) => void;
}

async function converseWith(asked: Asked, task: Task, options: CallOptions): Promise<Buffer> {
  const { config, shared, shown } = asked;
  const { stallSeconds = STALL_SECONDS } = options;
  task.signal.throwIfAborted();
  let stalled = false;
  const stop = () => {
    stalled = true;
    shared.drop();
    kill();
  };
  let kill = (): void => undefined;
  const limit = runningLimit(stallSeconds * 1000, stop);
  try {
    return await shared.use(task, async (path) => {
      const ssh = converse('ssh', asked.args(path), { task, shown: [config.name, shown] });
      kill = ssh.kill;
      return await exchange(ssh, asked, limit.again, task, options);
    });
  } catch (error) {
    task.signal.throwIfAborted();
    if (stalled) {
      const what = `${config.name} showed no progress for ${stallSeconds} s (${shown}).`;
      throw new NightlyError('builder-unreachable', what, { cause: error });
    }
    throw machineFault(error, config);
  } finally {
    limit.end();
  }
}

/** Gives a command its input and takes its output. */
async function exchange(
  ssh: Conversation,
  { config, shared, count }: Asked,
  progress: () => void,
  task: Task,
  { input, onOutput }: CallOptions,
): Promise<Buffer> {
  task.signal.addEventListener('abort', ssh.kill, { once: true });
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    const feeding = feed(ssh, input, (bytes) => {
      count(bytes);
      progress();
    });
    for await (const chunk of ssh.stdout) {
      progress();
      length += (chunk as Buffer).length;
      if (onOutput) await onOutput(chunk as Buffer);
      else if (length > MOST_OUTPUT)
        throw new NightlyError('builder-unreachable', `${config.name} sends more than any list can be.`);
      else chunks.push(chunk as Buffer);
    }
    await feeding;
    await ssh.ended;
    return Buffer.concat(chunks);
  } catch (error) {
    ssh.kill();
    // A connection that is shared holds the pipes of a command until the far side has ended it, which it may never do.
    shared.drop();
    await ssh.ended.catch(() => undefined);
    throw error;
  } finally {
    task.signal.removeEventListener('abort', ssh.kill);
  }
}

/** Writes all of an input at the pace at which it is read; one that is no longer read is let go of. */
async function feed(
  { stdin, ended }: Conversation,
  input: AsyncIterable<Buffer> | undefined,
  written: (bytes: number) => void,
): Promise<void> {
  let over = false;
  const end = ended.then(
    () => (over = true),
    () => (over = true),
  );
  for await (const chunk of input ?? []) {
    if (over) break;
    if (!stdin.write(chunk)) await Promise.race([end, new Promise((resolve) => stdin.once('drain', resolve))]);
    written(chunk.length);
  }
  stdin.end();
}

/** Turns what ssh said into a fault of that machine; others stay as they are. */
function machineFault(error: unknown, { name, ssh }: MachineConfig): unknown {
  if (!(error instanceof NightlyError) || error.code !== 'tool-failed') return error;
  const lines = error.message.split('\n');
  const said = (pattern: RegExp) => lines.find((line) => pattern.test(line));
  if (
    said(
      /REMOTE HOST IDENTIFICATION HAS CHANGED|Host key verification failed|No .* host key is known|no matching host key/,
    )
  ) {
    return new NightlyError(
      'builder-host-key',
      `${name} (${ssh.host}) does not have the host key that is pinned for it; it got nothing.`,
      {
        hint: 'Ask its operator, not the network, for the key; if it changed, write the new one into builders.machines.',
        cause: error,
      },
    );
  }
  const why = said(
    /Connection (refused|reset|timed out|closed)|No route|Could not resolve|unreachable|Permission denied|Timeout|timed out|Broken pipe/i,
  );
  if (why === undefined && !/exit code 255/.test(lines[0] ?? '')) return error;
  return new NightlyError(
    'builder-unreachable',
    `${name} (${ssh.host}) cannot be reached: ${oneLine(why ?? lines[1] ?? lines[0] ?? '')}`,
    {
      hint: 'Check the address, the account and its key; the job goes to another machine meanwhile.',
      cause: error,
    },
  );
}

/** Yields a file's bytes. */
export async function* fileBytes(path: string): AsyncGenerator<Buffer> {
  for await (const chunk of createReadStream(path)) yield chunk as Buffer;
}
