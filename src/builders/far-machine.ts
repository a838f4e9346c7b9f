import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { NightlyError } from '../base/errors.ts';
import { sha256, writeFileAtomic } from '../base/files.ts';
import { oneLine } from '../base/one-line.ts';
import { shellWord } from '../base/quoting.ts';
import { codeFile } from '../base/shipped.ts';
import type { Task } from '../base/task.ts';
import type { MachineConfig } from '../config/builders.ts';
import { converse } from '../programs/converse.ts';
import { run } from '../programs/exec.ts';
import { sshArguments } from '../programs/ssh.ts';
import { staticBusybox } from './static-busybox.ts';

/**
 * A builder, over ssh with a pinned host key. What runs there is far.sh, read by a static busybox; of the machine itself only sshd
 * (with its sftp) and the login shell of root.
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

/** Returns the arguments of ssh and sftp that take the pinned host key of a machine and no other. */
async function connectionArguments({ name, ssh }: MachineConfig, work: string): Promise<string[]> {
  const knownHostsFile = join(work, 'builders', name, 'known_hosts');
  const alias = `builder-${name}`;
  await writeFileAtomic(knownHostsFile, `${alias} ${ssh.hostKey}\n`);
  const { identityFile } = ssh;
  return [
    ...sshArguments({ knownHostsFile, ...(identityFile === undefined ? {} : { identityFile }) }),
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
  const options = await connectionArguments(config, work);
  let sent = 0;
  const ask = (command: string, shown: string, callOptions: CallOptions) =>
    converseWith(
      { config, args: [...options, config.ssh.host, command], shown, count: (bytes) => (sent += bytes) },
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
  if (found.toString('utf8').trim() !== wanted.join('\n')) await upload(config, options, sources, task);
  return {
    config,
    sent: () => sent,
    call: (verb, args, _, callOptions = {}) => {
      const words = [verb, ...args].map(shellWord).join(' ');
      return ask(`exec ${BUSYBOX} sh ${FAR_FOLDER}/far.sh ${words}`, verb, callOptions);
    },
  };
}

/** Sends by sshd's own sftp: no program of the machine is needed to write a file and make it one that runs. */
async function upload(
  config: MachineConfig,
  options: readonly string[],
  sources: readonly string[],
  task: Task,
): Promise<void> {
  const names = ['busybox', ...SCRIPTS];
  const lines = [
    `-mkdir ${FAR_FOLDER}`,
    `chmod 755 ${FAR_FOLDER}`,
    ...sources.flatMap((path, index) => {
      const to = `${FAR_FOLDER}/${names[index]}`;
      return [`put "${path}" ${to}.new`, `chmod 755 ${to}.new`, `rename ${to}.new ${to}`];
    }),
  ];
  try {
    await run('sftp', [...options, '-b', '-', config.ssh.host], { task, input: `${lines.join('\n')}\n` });
  } catch (error) {
    throw machineFault(error, config);
  }
}

interface Asked {
  readonly config: MachineConfig;
  readonly args: readonly string[];
  readonly shown: string;
  readonly count: (bytes: number) => void;
}

async function converseWith({ config, args, shown, count }: Asked, task: Task, options: CallOptions): Promise<Buffer> {
  const { input, onOutput, stallSeconds = STALL_SECONDS } = options;
  task.signal.throwIfAborted();
  const ssh = converse('ssh', args, { task, shown: [config.name, shown] });
  let stalled = false;
  const stop = () => {
    stalled = true;
    ssh.kill();
  };
  let timer = setTimeout(stop, stallSeconds * 1000);
  const progress = () => {
    clearTimeout(timer);
    timer = setTimeout(stop, stallSeconds * 1000);
  };
  const kill = () => ssh.kill();
  task.signal.addEventListener('abort', kill, { once: true });
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
    await ssh.ended.catch(() => undefined);
    task.signal.throwIfAborted();
    if (stalled) {
      throw new NightlyError(
        'builder-unreachable',
        `${config.name} showed no progress for ${stallSeconds} s (${shown}).`,
        {
          cause: error,
        },
      );
    }
    throw machineFault(error, config);
  } finally {
    clearTimeout(timer);
    task.signal.removeEventListener('abort', kill);
  }
}

/** Writes all of an input at the pace at which it is read; one that is no longer read is let go of. */
async function feed(
  { stdin, ended }: ReturnType<typeof converse>,
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
