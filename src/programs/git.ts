import { NightlyError } from '../base/errors.ts';
import { withoutUserinfo } from '../base/redact.ts';
import type { Task } from '../base/task.ts';
import { run } from './exec.ts';

/** The state of a checkout of git. */
export interface GitState {
  /** The commit that is checked out. */
  readonly revision: string;
  /** Whether files differ from that commit, or are not in it. */
  readonly dirty: boolean;
  /** Where it comes from (remote `origin`), without user and password. */
  readonly url?: string;
}

/** Nothing of the checkout's own configuration is run, its owner may be another, and its index is not written. */
const OPTIONS = ['-c', 'safe.directory=*', '-c', 'core.fsmonitor=false', '-c', 'core.hooksPath=/dev/null'];

/** Returns the state of the checkout that a folder is in; undefined where it is in none, or git is not installed. */
export async function gitState(folder: string, task: Task): Promise<GitState | undefined> {
  const git = async (...args: string[]): Promise<string | undefined> => {
    const env = { GIT_OPTIONAL_LOCKS: '0', GIT_TERMINAL_PROMPT: '0' };
    const okExitCodes = [0, 1, 128];
    const { exitCode, stdout } = await run('git', ['-C', folder, ...OPTIONS, ...args], { task, env, okExitCodes });
    return exitCode === 0 ? stdout.trim() : undefined;
  };
  try {
    const revision = await git('rev-parse', '--verify', 'HEAD');
    const status = await git('status', '--porcelain');
    if (revision === undefined || !/^[0-9a-f]{40,64}$/.test(revision) || status === undefined) return undefined;
    const url = await git('config', '--get', 'remote.origin.url');
    return { revision, dirty: status !== '', ...(url === undefined ? {} : { url: withoutUserinfo(url) }) };
  } catch (error) {
    if (error instanceof NightlyError && error.code === 'tool-missing') return undefined;
    throw error;
  }
}
