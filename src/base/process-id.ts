import { readFileSync } from 'node:fs';
import { bootId } from './boot-id.ts';

/** Clock ticks of the kernel's interface to user space (USER_HZ), the same on every supported architecture. */
const TICKS_A_SECOND = 100;

/**
 * Returns what distinguishes a process from every other, also from a later one of the same number: boot id, number, and
 * start time in clock ticks since the boot (proc(5)). Undefined when it has ended; a zombie has.
 */
export function processIdentity(pid: number): string | undefined {
  const fields = statOf(pid);
  if (!fields || fields[0] === 'Z' || fields[0] === 'X') return undefined;
  return `${bootId()}:${pid}:${fields[19]}`;
}

/** Returns the number of the process of that identity; undefined when it has ended. */
export function livingPid(identity: string): number | undefined {
  const pid = Number(identity.split(':')[1]);
  return processIdentity(pid) === identity ? pid : undefined;
}

/** When a process started, in ms since the epoch; undefined when there is none (proc(5): fields of stat, btime). */
export function startOfProcess(pid: number): number | undefined {
  const ticks = statOf(pid)?.[19];
  const boot = /^btime (\d+)$/m.exec(readFileSync('/proc/stat', 'utf8'))?.[1];
  return ticks === undefined || boot === undefined ? undefined : (Number(boot) + Number(ticks) / TICKS_A_SECOND) * 1000;
}

/** Returns the session of a process, by the number of its leader. */
export function sessionOf(pid: number): number | undefined {
  const session = statOf(pid)?.[3];
  return session === undefined ? undefined : Number(session);
}

/**
 * `/proc/PID/stat` from its third field on, the state: the second is a name in parentheses, which may hold anything.
 */
function statOf(pid: number): string[] | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  } catch {
    return undefined;
  }
}
