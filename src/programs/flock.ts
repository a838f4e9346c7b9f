import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import type { Task } from '../base/task.ts';
import { run, start } from './exec.ts';

/** How a lock is taken. */
interface HowLocked {
  /** A second file, locked while the first one is: `isFlockHeld` looks at it without keeping anybody out. */
  readonly witness?: string;
  /** Beside others who take it so, but beside nobody who does not. */
  readonly shared?: boolean;
}

/** A look at a witness takes some milliseconds. Whoever holds it for longer keeps no run out. */
const WITNESS_SECONDS = '2';

/**
 * Takes a flock(2) lock on a file, made when missing, and gives the function that frees it; undefined when another
 * process has it. The lock is held by a child that ends when its standard input closes: the kernel closes it when this
 * program dies in whatever way, so a SIGKILL leaves no stale lock.
 * @throws the system's error when the file can be neither opened nor made.
 */
export async function tryFlock(
  path: string,
  { witness, shared = false }: HowLocked = {},
): Promise<(() => Promise<void>) | undefined> {
  let settle: (held: boolean) => void = () => undefined;
  const answer = new Promise<boolean>((resolve) => {
    settle = resolve;
  });
  const held =
    witness === undefined
      ? ['sh', '-c', 'echo held; exec cat']
      : [
          'sh',
          '-c',
          ': >> "$1"; exec 9< "$1"; flock --timeout "$2" 9 || :; echo held; exec cat',
          'sh',
          witness,
          WITNESS_SECONDS,
        ];
  await makeLockFile(path);
  const holder = await start('flock', ['--nonblock', ...(shared ? ['--shared'] : []), path, ...held], {
    keepStdinOpen: true,
    onLine: (line) => line === 'held' && settle(true),
  });
  void holder.exited.then(() => settle(false));
  if (!(await answer)) return undefined;
  // Whoever fails while it has a lock, as on a full disk, is not to stay because of it.
  holder.unref();
  return () => holder.stop();
}

/**
 * Makes a lock file, and takes the rights on it from whoever is neither its owner nor of its group: whoever may read a file may lock
 * it (I15), and work folders and targets are readable so that pages can be made of them. A witness stays readable; who holds that one
 * only makes a lock that is free look held.
 * @throws the system's error when the file can be neither opened nor made.
 */
export async function makeLockFile(path: string): Promise<void> {
  const file = await open(path, constants.O_RDONLY | constants.O_CREAT, 0o660);
  try {
    const { mode, uid } = await file.stat();
    const self = process.geteuid?.();
    if ((mode & 0o007) !== 0 && (self === uid || self === 0)) await file.chmod(mode & 0o770);
  } finally {
    await file.close();
  }
}

/**
 * As `tryFlock`, but waits until whoever has the lock gives it up.
 * @throws NightlyError `interrupted`.
 */
export async function takeFlock(path: string, task: Task, how: HowLocked = {}): Promise<() => Promise<void>> {
  for (;;) {
    task.signal.throwIfAborted();
    const free = await tryFlock(path, how);
    if (free) return free;
    await untilFlockFree(path, task);
  }
}

/**
 * Whether somebody has a lock, told by its witness: it is tried for, and whoever takes the lock right then waits for the
 * moment that takes. The kernel knows it in every PID namespace.
 */
export async function isFlockHeld(witness: string): Promise<boolean> {
  const { exitCode } = await run('flock', ['--nonblock', '--conflict-exit-code', '75', witness, 'true'], {
    okExitCodes: [0, 75],
  });
  return exitCode === 75;
}

/** Waits until nobody has the lock of a file. Whoever comes first then takes it. @throws NightlyError `interrupted`. */
export async function untilFlockFree(path: string, task: Task): Promise<void> {
  await run('flock', [path, 'true'], { task });
}
