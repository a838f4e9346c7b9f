import { existsSync, readFileSync, readlinkSync } from 'node:fs';

/**
 * Returns the running kernel's boot id: it differs after a reboot, and from that of another machine with the same name.
 */
export function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}

/** Returns this installation's id (machine-id(5)); undefined where there is none, as in many containers. */
function machineId(): string | undefined {
  try {
    return /^[0-9a-f]{32}$/.exec(readFileSync('/etc/machine-id', 'utf8').trim())?.[0];
  } catch {
    return undefined;
  }
}

/** Returns the id of this process's PID namespace (pid_namespaces(7)): its numbers mean nothing in another one. */
export function pidNamespace(): string {
  return readlinkSync('/proc/self/ns/pid');
}

/** What makes a process number of one machine mean something to whoever reads it later. */
export interface ProcessPlace {
  readonly pid: number;
  /** Missing in records of an earlier version. */
  readonly boot?: string;
  readonly machine?: string;
  readonly pids?: string;
}

/** Returns the place of this process. */
export function processPlace(): ProcessPlace & { readonly boot: string } {
  const machine = machineId();
  return { pid: process.pid, boot: bootId(), ...(machine === undefined ? {} : { machine }), pids: pidNamespace() };
}

/**
 * Whether a process of a machine with this one's name has certainly ended. One of the same number that started since counts
 * as alive, and so does one that cannot be seen from here: in another container, or on another machine of the same name.
 */
export function hasEnded({ pid, boot, machine, pids }: ProcessPlace): boolean {
  if (boot === undefined) return false;
  if (boot !== bootId()) return machine === undefined ? pids === undefined : machine === machineId();
  return (pids === undefined || pids === pidNamespace()) && !existsSync(`/proc/${pid}`);
}
