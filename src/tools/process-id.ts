import { readFileSync } from 'node:fs';
import { bootId } from './boot-id.ts';

/**
 * What tells a process from every other, also from a later one of the same number: boot id, number, and start time in
 * clock ticks since the boot (field 22 of /proc/PID/stat, proc(5)). Undefined when it has ended; a zombie has.
 */
export function processIdentity(pid: number): string | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return undefined;
  }
  // Behind the name, which stands in parentheses and may hold anything: field 3 is the state.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields[0] === 'Z' || fields[0] === 'X' ? undefined : `${bootId()}:${pid}:${fields[19]}`;
}

/** The number of the process of that identity; undefined when it has ended. */
export function livingPid(identity: string): number | undefined {
  const pid = Number(identity.split(':')[1]);
  return processIdentity(pid) === identity ? pid : undefined;
}
