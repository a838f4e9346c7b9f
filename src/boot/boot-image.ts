import { randomBytes } from 'node:crypto';
import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { freePort } from '../base/free-port.ts';
import type { Task } from '../base/task.ts';
import { temporaryPrefix } from '../base/temporary.ts';
import { type Accelerator, startMachine } from '../programs/qemu.ts';
import { convertImage, createOverlay, imageInfo } from '../programs/qemu-img.ts';
import { makeSshKey, type SshHost } from '../programs/ssh.ts';
import { chooseAccelerator } from './accelerator.ts';
import { waitForSsh } from './boot-wait.ts';
import { makeSeed } from './cloud-seed.ts';
import { findOvmf } from './ovmf.ts';

export interface BootRequest {
  /** A qcow2 or raw disk image; it is not changed. */
  readonly image: string;
  /**
   * Time limit for the first boot, until the test user can log in over ssh; any output on the serial line restarts it.
   */
  readonly timeoutSeconds: number;
  /** Where the guest's serial output goes. */
  readonly serialLog: string;
  readonly firmware: 'bios' | 'uefi';
  /** Default: KVM where a probe shows that it works, else TCG. */
  readonly accelerator?: Accelerator;
  /** Disk the guest gets; larger than the image's to see it grow. Default: the image's own size. */
  readonly diskBytes?: number;
  /** Default: a user that cloud-init makes, with a throw-away key. */
  readonly login?: Login | undefined;
  /** Default 2. */
  readonly cpus?: number;
  /** Default 1536. */
  readonly memoryMib?: number;
  /** Ports of this machine's 127.0.0.1 that commands in the guest reach under the same address. */
  readonly reversePorts?: readonly number[];
  /** Open the serial line to a person, who may log in there with the guest's password. Default: it is only logged. */
  readonly console?: boolean;
}

/** A user that the image lets in. */
export interface Login {
  readonly user: string;
  /** The text of a private key in any form that ssh reads. */
  readonly privateKey: string;
}

/** A machine that was switched on. Its disk is an overlay that goes away with it. */
export interface Guest {
  readonly host: SshHost;
  readonly accelerator: Accelerator;
  readonly serialLog: string;
  readonly reversePorts: readonly number[];
  /** The serial line as a socket, and the user's password there where one was made; only if a console was asked for. */
  readonly console?: { readonly socket: string; readonly password: string | undefined };
  /** The machine's exit code once it has ended, else undefined. */
  ended(): number | null | undefined;
  /** Resolves when the machine has ended; never rejects. */
  readonly exited: Promise<unknown>;
  /** Ends the machine at once and removes its files. */
  stop(): Promise<void>;
}

/** A machine that somebody has logged in to. */
export interface Vm extends Guest {
  /** Seconds from power-on to the first login over ssh. */
  readonly bootSeconds: number;
}

const USER = 'nightly';

/**
 * Boots an image in QEMU with a throw-away ssh key from a cloud-init seed, and waits until a login with that key succeeds.
 * @throws NightlyError `gate-failed` with the last serial lines when that does not happen in time; `tool-missing`.
 */
export async function bootImage(request: BootRequest, task: Task): Promise<Vm> {
  const started = performance.now();
  const guest = await startGuest(request, task);
  try {
    await waitForSsh(guest, request.timeoutSeconds, task);
  } catch (error) {
    await guest.stop();
    throw error;
  }
  return { ...guest, bootSeconds: (performance.now() - started) / 1000 };
}

/** Switches a machine on without waiting for anything. @throws NightlyError `tool-missing`, `tool-failed`. */
export async function startGuest(request: BootRequest, task: Task): Promise<Guest> {
  const dir = await mkdtemp(temporaryPrefix('vm'));
  try {
    return await startIn(dir, request, task);
  } catch (error) {
    await rm(dir, { recursive: true, force: true });
    throw error;
  }
}

async function startIn(dir: string, request: BootRequest, task: Task): Promise<Guest> {
  const accelerator = request.accelerator ?? (await chooseAccelerator(task));
  const keyFile = join(dir, 'key');
  const publicKey = await makeSshKey(keyFile, 'boot test', task);
  const password = request.console && request.login === undefined ? randomBytes(6).toString('hex') : undefined;
  const about = { user: USER, publicKey, password, instanceId: 'boot-test', hostName: 'boot-test' };
  const seed = await makeSeed({ dir, ...about }, task);
  const disk = join(dir, 'disk.qcow2');
  await makeDisk(dir, disk, request, task);
  const sshPort = await freePort();
  const uefi = request.firmware === 'uefi' ? await uefiIn(dir) : undefined;
  const { serialLog } = request;
  const serialSocket = request.console ? join(dir, 'console') : undefined;
  task.say(`Booting ${request.image} (${request.firmware.toUpperCase()}, ${accelerator.toUpperCase()})`);
  const { cpus = 2, memoryMib = 1536 } = request;
  const machine = await startMachine(
    { dir, accelerator, disk, seed, sshPort, serialLog, serialSocket, cpus, memoryMib, uefi },
    task,
  );
  let exitCode: number | null | undefined;
  const exited = machine.exited.then((code) => {
    exitCode = code;
  });
  return {
    host: { address: '127.0.0.1', port: sshPort, ...(await loginIn(dir, keyFile, request.login)) },
    accelerator,
    serialLog,
    reversePorts: request.reversePorts ?? [],
    ...(serialSocket !== undefined && { console: { socket: serialSocket, password } }),
    ended: () => exitCode,
    exited,
    async stop() {
      await machine.stop();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

async function loginIn(dir: string, cloudInitKey: string, login: Login | undefined) {
  if (login === undefined) return { user: USER, keyFile: cloudInitKey };
  const keyFile = join(dir, 'login-key');
  await writeFile(keyFile, login.privateKey, { mode: 0o600 });
  return { user: login.user, keyFile };
}

/**
 * The machine's disk: an overlay on the image's plain content. On the compressed image itself each small read, such as
 * GRUB's and Python's, would unpack 64 KiB again: the boot loader alone took three times as long. A raw image has nothing to
 * unpack, so that guests may share it.
 */
async function makeDisk(dir: string, disk: string, request: BootRequest, task: Task): Promise<void> {
  const { format, virtualSize } = await imageInfo(request.image, task);
  const plain = format === 'raw' ? resolve(request.image) : join(dir, 'plain.raw');
  if (format !== 'raw')
    await convertImage({ source: request.image, sourceFormat: format, target: plain, targetFormat: 'raw' }, task);
  await createOverlay(plain, 'raw', disk, request.diskBytes ?? virtualSize, task);
}

async function uefiIn(dir: string): Promise<{ readonly code: string; readonly variables: string }> {
  const firmware = await findOvmf();
  const variables = join(dir, 'uefi-variables.fd');
  await copyFile(firmware.variables, variables);
  return { code: firmware.code, variables };
}
