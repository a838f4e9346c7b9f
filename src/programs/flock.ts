import type { Task } from '../base/task.ts';
import { run, start } from './exec.ts';

/**
 * Takes a flock(2) lock on a file, made when missing, and gives the function that frees it; undefined when another
 * process has it. The lock is held by a child that ends when its standard input closes: the kernel closes it when this
 * program dies in whatever way, so a SIGKILL leaves no stale lock.
 */
export async function tryFlock(path: string): Promise<(() => Promise<void>) | undefined> {
  let settle: (held: boolean) => void = () => undefined;
  const answer = new Promise<boolean>((resolve) => {
    settle = resolve;
  });
  const holder = await start('flock', ['--nonblock', path, 'sh', '-c', 'echo held; exec cat'], {
    keepStdinOpen: true,
    onLine: (line) => line === 'held' && settle(true),
  });
  void holder.exited.then(() => settle(false));
  return (await answer) ? () => holder.stop() : undefined;
}

/** Waits until nobody has the lock of a file. Whoever comes first then takes it. @throws NightlyError `interrupted`. */
export async function untilFlockFree(path: string, task: Task): Promise<void> {
  await run('flock', [path, 'true'], { task });
}
