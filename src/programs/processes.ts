import { readdir, readFile } from 'node:fs/promises';

/** Returns the processes, other than this one, that have an entry such as `NAME=value` in their environment. */
export async function processesMarked(mark: string): Promise<number[]> {
  const pids = (await readdir('/proc')).map(Number).filter((pid) => Number.isInteger(pid) && pid !== process.pid);
  const marked: number[] = [];
  for (const pid of pids) if ((await procStrings(pid, 'environ')).includes(mark)) marked.push(pid);
  return marked;
}

/** Strings of a file of a process in /proc, each with a zero byte at its end; none where it may not be read. */
export async function procStrings(pid: number, file: 'environ' | 'cmdline'): Promise<string[]> {
  try {
    return (await readFile(`/proc/${pid}/${file}`, 'latin1')).split('\0');
  } catch {
    // The process ended meanwhile, or belongs to somebody else: in both cases it is not ours to end.
    return [];
  }
}

/** Whether this program, or something that it started, started a process. One whose parent has ended belongs to nobody. */
export async function isStartedHere(pid: number): Promise<boolean> {
  for (let one: number | undefined = pid; one !== undefined && one > 1; one = await parentOf(one)) {
    if (one === process.pid) return true;
  }
  return false;
}

/** The name of a program, which comes before, may have spaces and parentheses (proc_pid_stat(5)). */
async function parentOf(pid: number): Promise<number | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => '');
  const [, parent] = /\) \S (\d+) [^)]*$/.exec(stat) ?? [];
  return parent === undefined ? undefined : Number(parent);
}

/** Ends a process at once; one that has ended is no fault. */
export function killProcess(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // Ended between reading its environment and here.
  }
}
