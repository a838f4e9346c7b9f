import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { ifThere, readTextIfExists } from '../tools/files.ts';
import type { LockHolder } from './lock.ts';

/** Of the kernel's interface to user space (USER_HZ), the same on every machine that Linux runs on here. */
const TICKS_A_SECOND = 100;

/**
 * Who has the run lock, without touching it: a look that took it even for a moment would make a run that starts right then
 * give up. Undefined when nobody has it, or whoever had it was killed. A holder on another host is believed.
 */
export async function lockHolder(workDir: string): Promise<LockHolder | undefined> {
  const text = await readTextIfExists(join(workDir, 'lock.json'));
  if (text === undefined) return undefined;
  const holder = JSON.parse(text) as LockHolder;
  if (holder.host !== hostname()) return holder;
  const started = await startOf(holder.pid);
  // A later process may have the number of one that was killed.
  return started !== undefined && started <= Date.parse(holder.since) + 1000 ? holder : undefined;
}

/** When a process started, in ms since the epoch; undefined when there is none (proc(5): fields of stat, btime). */
async function startOf(pid: number): Promise<number | undefined> {
  const [stat, kernel] = [await ifThere(readFile(`/proc/${pid}/stat`, 'utf8')), await readFile('/proc/stat', 'utf8')];
  // The second field is the program's name in parentheses and may hold anything, so count from its end.
  const ticks = stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  const boot = /^btime (\d+)$/m.exec(kernel)?.[1];
  return ticks === undefined || boot === undefined ? undefined : (Number(boot) + Number(ticks) / TICKS_A_SECOND) * 1000;
}
