import { existsSync, realpathSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { NightlyError } from '../base/errors.ts';
import { withoutUserinfo } from '../base/redact.ts';
import type { Task } from '../base/task.ts';
import { run } from './exec.ts';

/** The state of a checkout of git. */
export interface GitState {
  /** The commit that is checked out. */
  readonly revision: string;
  /** Whether files differ from that commit, or are not in it; what git is told to ignore does not count. */
  readonly dirty: boolean;
  /** Where it comes from (remote `origin`), without user and password. */
  readonly url?: string;
}

/** The checkout may be anybody's, and nothing is run that it configures: no monitor, no hook. */
const OPTIONS = ['-c', 'safe.directory=*', '-c', 'core.fsmonitor=false', '-c', 'core.hooksPath=/dev/null'];

/** Nothing is written to its index or fetched into it (a partial clone names programs to fetch with). */
const SETTINGS = {
  GIT_OPTIONAL_LOCKS: '0',
  GIT_TERMINAL_PROMPT: '0',
  GIT_ALLOW_PROTOCOL: 'none',
  GIT_NO_LAZY_FETCH: '1',
};

/**
 * Returns the state of the checkout that a folder is in; undefined where it is in none, or git is not installed.
 * @param ours absolute paths that this program writes to: what lies there is no change of the checkout
 */
export async function gitState(folder: string, ours: readonly string[], task: Task): Promise<GitState | undefined> {
  const git = (...args: string[]): Promise<string | undefined> => runGit(folder, args, task);
  try {
    const top = await git('rev-parse', '--show-toplevel');
    const revision = await git('rev-parse', '--verify', 'HEAD');
    if (top === undefined || revision === undefined || !/^[0-9a-f]{40,64}$/.test(revision)) return undefined;
    const dirty = await isDirty(top, ours, task);
    if (dirty === undefined) return undefined;
    const url = await git('config', '--get', 'remote.origin.url');
    return { revision, dirty, ...(url === undefined ? {} : { url: withoutUserinfo(url) }) };
  } catch (error) {
    if (error instanceof NightlyError && error.code === 'tool-missing') return undefined;
    throw error;
  }
}

async function isDirty(top: string, ours: readonly string[], task: Task): Promise<boolean | undefined> {
  const filters = await filtersOff(top, task);
  if (filters === undefined) return undefined;
  const excluded = ours
    .filter((path) => existsSync(path))
    .map((path) => relative(top, realpathSync(path)))
    .filter((path) => path !== '' && path !== '..' && !path.startsWith(`..${sep}`))
    .map((path) => `:(exclude,top,literal)${path}`);
  // Of a submodule, git itself would run the filters: it is looked at like any checkout instead.
  const options = ['--porcelain', '--untracked-files=normal', '--ignore-submodules=dirty'];
  const status = await runGit(top, [...filters, 'status', ...options, '--', '.', ...excluded], task);
  if (status !== '') return status === undefined ? undefined : true;
  for (const path of await submodules(top, task)) {
    const inner = await runGit(path, ['rev-parse', '--show-toplevel'], task);
    // The folder of one that was never fetched is in the checkout around it.
    if (inner !== undefined && inner !== top && (await isDirty(inner, ours, task)) !== false) return true;
  }
  return false;
}

async function submodules(top: string, task: Task): Promise<string[]> {
  if (!existsSync(join(top, '.gitmodules'))) return [];
  const listed = (await runGit(top, ['ls-files', '--stage', '-z'], task)) ?? '';
  const isSubmodule = (line: string): boolean => line.startsWith('160000 ');
  const paths = listed
    .split('\0')
    .filter(isSubmodule)
    .map((line) => line.slice(line.indexOf('\t') + 1));
  return paths.map((path) => join(top, path)).filter((path) => existsSync(path));
}

/**
 * Returns options that switch off the filters which the checkout itself configures: `git status` would run them. Those of this
 * host (git-lfs in /etc/gitconfig) stay. @returns undefined where one has a name that no option can say
 */
async function filtersOff(top: string, task: Task): Promise<string[] | undefined> {
  const listed =
    (await runGit(top, ['config', '--show-scope', '--name-only', '--get-regexp', '^filter\\.'], task)) ?? '';
  const own = listed.split('\n').flatMap((line) => {
    const [scope, key = ''] = line.split('\t');
    return scope === 'local' || scope === 'worktree' ? [key] : [];
  });
  if (own.some((key) => !/^filter\.[^=]+\.\w+$/.test(key))) return undefined;
  return own.flatMap((key) => ['-c', key.endsWith('.required') ? `${key}=false` : `${key}=`]);
}

/** @returns what it printed; undefined where it failed: there is no checkout, or no such value */
async function runGit(folder: string, args: readonly string[], task: Task): Promise<string | undefined> {
  // A hook of git that started us has another checkout in its environment.
  const foreign = Object.keys(process.env).filter((name) => name.startsWith('GIT_'));
  const env = { ...Object.fromEntries(foreign.map((name) => [name, undefined])), ...SETTINGS };
  const okExitCodes = [0, 1, 128];
  const { exitCode, stdout } = await run('git', ['-C', folder, ...OPTIONS, ...args], { task, env, okExitCodes });
  return exitCode === 0 ? stdout.trim() : undefined;
}
