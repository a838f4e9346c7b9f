import { NightlyError } from '../../base/errors.ts';
import type { Task } from '../../base/task.ts';
import { type FarPlace, type FarShell, openShell } from './far-shell.ts';

/**
 * Keeps connections open from one call to the next, since opening one takes as many round trips as all of a publish.
 * A connection serves one call at a time; calls side by side have one each. One that is idle for `IDLE_MS` is closed. It
 * is a child that ends with its input, so it goes when this program ends in whatever way, and does not keep it running.
 */
export interface ShellPool {
  /** Runs requests on a connection. @throws NightlyError that says why, when the connection or the far side failed. */
  use<Result>(task: Task, work: (shell: FarShell) => Promise<Result>): Promise<Result>;
  /** The same for an answer that is passed on line by line. */
  lines(task: Task, request: string): AsyncGenerator<string>;
}

const IDLE_MS = 15_000;

interface Idle {
  readonly shell: FarShell;
  readonly timer: NodeJS.Timeout;
}

/** @param place where the connections go; nothing is contacted yet */
export function shellPool(place: FarPlace): ShellPool {
  const idle: Idle[] = [];
  const forget = (shell: FarShell): void => {
    const index = idle.findIndex((entry) => entry.shell === shell);
    if (index >= 0) clearTimeout(idle.splice(index, 1)[0]?.timer);
  };
  const open = (task: Task): FarShell => {
    const shell = openShell(place, task);
    void shell.ended.then(() => forget(shell));
    return shell;
  };

  const acquire = (task: Task) => {
    task.signal.throwIfAborted();
    const free = idle.pop();
    clearTimeout(free?.timer);
    const shell = free?.shell ?? open(task);
    shell.hold(true);
    task.signal.addEventListener('abort', shell.kill, { once: true });
    const letGo = () => task.signal.removeEventListener('abort', shell.kill);
    return {
      shell,
      keep() {
        letGo();
        shell.hold(false);
        const timer = setTimeout(() => {
          forget(shell);
          shell.end();
        }, IDLE_MS).unref();
        idle.push({ shell, timer });
      },
      async reason(error: unknown): Promise<unknown> {
        if (error instanceof NightlyError) shell.kill();
        const reason = error instanceof NightlyError ? error : await shell.fault();
        letGo();
        task.signal.throwIfAborted();
        return reason;
      },
      drop() {
        letGo();
        shell.kill();
      },
    };
  };

  return {
    async use(task, work) {
      const lease = acquire(task);
      try {
        const result = await work(lease.shell);
        lease.keep();
        return result;
      } catch (error) {
        throw await lease.reason(error);
      }
    },
    async *lines(task, request) {
      const lease = acquire(task);
      let whole = false;
      try {
        lease.shell.write(request);
        yield* lease.shell.answer();
        whole = true;
      } catch (error) {
        throw await lease.reason(error);
      } finally {
        if (whole) lease.keep();
        else lease.drop();
      }
    },
  };
}
