import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { NightlyError } from '../base/errors.ts';
import type { Task } from '../base/task.ts';
import { temporaryPrefix } from '../base/temporary.ts';
import { type Conversation, converse } from './converse.ts';
import { remoteFault } from './remote-fault.ts';
import { accountOf, type SshAccess, sshArguments } from './ssh.ts';

/**
 * One ssh connection that several ssh processes share, one after another or side by side: opening one takes about as
 * many round trips as five transfers over one that is open (ControlMaster in ssh_config(5)).
 */
export interface SharedSsh {
  /**
   * Runs work that may start ssh with that ControlPath; undefined where no socket can be made.
   * @throws NightlyError `target-unreachable`, `target-permission`, `target-host-key` when it cannot connect.
   */
  use<Result>(task: Task, work: (controlPath: string | undefined) => Promise<Result>): Promise<Result>;
}

const IDLE_MS = 15_000;

/** Longest path of a socket (unix(7)), less what ssh appends to the name while it creates the socket. */
const LONGEST_PATH = 107 - 17;

/**
 * Ends with its input, however this program ends: otherwise ssh would hold the connection, and an account's only rsync,
 * for as long as the far side lives. `$$` is ssh itself after `exec`.
 */
const LEASHED = 'exec 3<&0; (cat <&3; kill $$) > /dev/null 2>&1 & exec ssh "$@" < /dev/null 3<&-';

interface Master {
  readonly ssh: Conversation;
  readonly controlPath: string;
  /** Settles once the socket is there; rejects when ssh ended before. */
  readonly ready: Promise<void>;
}

/** @param destination `[user@]host:/path`; nothing is contacted yet */
export function sharedSsh(destination: string, access: SshAccess): SharedSsh {
  let master: Master | undefined;
  let users = 0;
  let idle: NodeJS.Timeout | undefined;

  const open = (task: Task): Master | undefined => {
    const folder = mkdtempSync(temporaryPrefix('ssh'));
    const remove = () => rmSync(folder, { recursive: true, force: true });
    const controlPath = join(folder, 's');
    if (controlPath.length > LONGEST_PATH) {
      remove();
      return undefined;
    }
    const options = [...sshArguments(access, controlPath), '-M', '-N', '-T', '--', accountOf(destination)];
    const ssh = converse('sh', ['-c', LEASHED, 'ssh', ...options], { task, shown: ['ssh', ...options] });
    process.once('exit', remove);
    const opened = { ssh, controlPath, ready: untilThere(controlPath, ssh) };
    opened.ready.catch(() => undefined);
    const gone = (): void => {
      process.off('exit', remove);
      remove();
      if (master === opened) master = undefined;
    };
    void ssh.ended.then(gone, gone);
    return opened;
  };

  return {
    async use(task, work) {
      clearTimeout(idle);
      users += 1;
      master ??= open(task);
      const current = master;
      current?.ssh.hold(true);
      const kill = () => current?.ssh.kill();
      task.signal.addEventListener('abort', kill, { once: true });
      try {
        await current?.ready.catch((error: unknown) => {
          task.signal.throwIfAborted();
          throw error instanceof NightlyError ? remoteFault(error, destination) : error;
        });
        return await work(current?.controlPath);
      } finally {
        task.signal.removeEventListener('abort', kill);
        users -= 1;
        if (users === 0) {
          current?.ssh.hold(false);
          idle = setTimeout(() => current?.ssh.stdin.end(), IDLE_MS).unref();
        }
      }
    },
  };
}

async function untilThere(socket: string, ssh: Conversation): Promise<void> {
  let over = false;
  const ended = ssh.ended.finally(() => {
    over = true;
  });
  ended.catch(() => undefined);
  while (!existsSync(socket)) {
    if (over) {
      await ended;
      return;
    }
    await pause(5);
  }
}
