import { qemuValue } from '../base/quoting.ts';
import type { Task } from '../base/task.ts';
import { type RunningProcess, start } from './exec.ts';

export type Accelerator = 'kvm' | 'tcg';

/** The variable that names a machine's folder in its environment: a later run finds those by it whose program was killed. */
export const MACHINE_MARKER = 'ATOMIC_NIGHTLY_MACHINE';

export interface MachineRequest {
  /** Its own folder, gone with it. */
  readonly dir: string;
  readonly accelerator: Accelerator;
  readonly cpus: number;
  readonly memoryMib: number;
  /** qcow2; written to. */
  readonly disk: string;
  /** ISO image with the cloud-init seed. */
  readonly seed: string;
  /** Port of this machine's 127.0.0.1 that leads to the guest's ssh server. */
  readonly sshPort: number;
  /** Everything the guest writes to its first serial line. */
  readonly serialLog: string;
  /** Path of a socket that is that line for one program at a time, both ways. */
  readonly serialSocket?: string | undefined;
  /** UEFI firmware and its variables (written to); BIOS without. */
  readonly uefi?: { readonly code: string; readonly variables: string } | undefined;
}

/**
 * Starts a virtual machine that runs until it is stopped or powers itself off. Its network is QEMU's user mode: the
 * guest reaches out, and in only through the ssh port.
 * @throws NightlyError `tool-missing`.
 */
export async function startMachine(request: MachineRequest, task: Task): Promise<RunningProcess> {
  const { uefi } = request;
  return start(
    'qemu-system-x86_64',
    [
      ...['-nodefaults', '-no-user-config', '-display', 'none', '-machine', 'q35'],
      ...(request.accelerator === 'kvm'
        ? ['-accel', 'kvm', '-cpu', 'host']
        : // Every feature TCG has, so that trees built for x86-64-v2 and v3 run; five-level paging only slows it down.
          ['-accel', 'tcg,thread=multi', '-cpu', 'max,la57=off']),
      ...['-smp', String(request.cpus), '-m', String(request.memoryMib)],
      ...(uefi === undefined
        ? []
        : [
            ...['-drive', `if=pflash,format=raw,unit=0,readonly=on,file=${qemuValue(uefi.code)}`],
            ...['-drive', `if=pflash,format=raw,unit=1,file=${qemuValue(uefi.variables)}`],
          ]),
      // The disk is thrown away, so a guest's wish to have it on stable storage is not passed on.
      ...['-drive', `if=virtio,format=qcow2,cache=unsafe,discard=unmap,file=${qemuValue(request.disk)}`],
      ...['-drive', `if=virtio,format=raw,readonly=on,file=${qemuValue(request.seed)}`],
      ...['-netdev', `user,id=net0,hostfwd=tcp:127.0.0.1:${request.sshPort}-:22`],
      // No boot ROM: it would try the network before the disk.
      ...['-device', 'virtio-net-pci,netdev=net0,romfile='],
      ...['-device', 'virtio-rng-pci'],
      ...serialArguments(request),
    ],
    { task, env: { [MACHINE_MARKER]: request.dir } },
  );
}

function serialArguments({ serialLog, serialSocket }: MachineRequest): string[] {
  if (serialSocket === undefined) return ['-serial', `file:${serialLog}`];
  const socket = `socket,id=line,server=on,wait=off,path=${qemuValue(serialSocket)},logfile=${qemuValue(serialLog)}`;
  return ['-chardev', socket, '-serial', 'chardev:line'];
}
