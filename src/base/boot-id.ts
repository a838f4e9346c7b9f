import { existsSync, readFileSync } from 'node:fs';

/**
 * Returns the running kernel's boot id: it differs after a reboot, and from that of another machine with the same name.
 */
export function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}

/** Whether that process of this machine has ended. One of the same number that started since counts as alive. */
export function hasEnded(boot: string, pid: number): boolean {
  return boot !== bootId() || !existsSync(`/proc/${pid}`);
}
