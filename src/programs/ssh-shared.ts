import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { NightlyError } from '../base/errors.ts';
import type { Task } from '../base/task.ts';
import { temporaryPrefix } from '../base/temporary.ts';
import { type Conversation, converse } from './converse.ts';

/**
 * One ssh connection that several ssh processes share, one after another or side by side: opening one takes about as
 * many round trips as five transfers over one that is open (ControlMaster in ssh_config(5)), and processor time at both ends
 * for the exchange of keys. An ssh that finds the connection gone, or that the far side allows no further session on it, opens one
 * of its own.
 */
export interface SharedSsh {
  /**
   * Runs work that may start ssh with that ControlPath; undefined where no socket can be made.
   * @throws what `fault` makes of it when it cannot connect
   */
  use<Result>(task: Task, work: (controlPath: string | undefined) => Promise<Result>): Promise<Result>;
  /** Ends the connection at once, with all that goes over it; the next use opens another one. */
  drop(): void;
}

export interface SshConnection {
  /** Returns arguments of ssh that lead to an account over a socket, the host included. */
  readonly args: (controlPath: string) => readonly string[];
  /** Says what is wrong with a connection that cannot be opened. */
  readonly fault: (error: NightlyError) => unknown;
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

/** Folders of sockets that are there, which go when this program ends. */
const folders = new Set<string>();
process.once('exit', () => folders.forEach(removeFolder));

function removeFolder(folder: string): void {
  folders.delete(folder);
  rmSync(folder, { recursive: true, force: true });
}

/** Returns a connection that is opened when it is used; nothing is contacted yet. */
export function sharedSsh({ args, fault }: SshConnection): SharedSsh {
  let master: Master | undefined;
  let users = 0;
  let idle: NodeJS.Timeout | undefined;

  const open = (task: Task): Master | undefined => {
    const folder = mkdtempSync(temporaryPrefix('ssh'));
    folders.add(folder);
    const controlPath = join(folder, 's');
    if (controlPath.length > LONGEST_PATH) {
      removeFolder(folder);
      return undefined;
    }
    const options = ['-M', '-N', '-T', ...args(controlPath)];
    const ssh = converse('sh', ['-c', LEASHED, 'ssh', ...options], { task, shown: ['ssh', ...options] });
    const opened = { ssh, controlPath, ready: untilThere(controlPath, ssh) };
    opened.ready.catch(() => undefined);
    const gone = (): void => {
      removeFolder(folder);
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
          throw error instanceof NightlyError ? fault(error) : error;
        });
        return await work(current?.controlPath);
      } finally {
        task.signal.removeEventListener('abort', kill);
        users -= 1;
        if (users === 0) {
          master?.ssh.hold(false);
          idle = setTimeout(() => master?.ssh.stdin.end(), IDLE_MS).unref();
        }
      }
    },
    drop() {
      clearTimeout(idle);
      master?.ssh.kill();
      master = undefined;
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
