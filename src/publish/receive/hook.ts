import { NightlyError } from '../../base/errors.ts';
import { harmlessLines } from '../../base/one-line.ts';
import type { Task } from '../../base/task.ts';
import { run } from '../../programs/exec.ts';
import { ANY_EXIT_CODE } from '../../programs/spawn.ts';

/** What stands for no commit. */
const NOTHING = '0'.repeat(64);

/** So much of what a hook prints goes to the pusher, in characters. */
const MOST_WORDS = 4096;

export interface HookRequest {
  readonly command: readonly [string, ...string[]];
  readonly name: string;
  /** A repository in which `ostree` finds what is published and what was pushed. */
  readonly repo: string;
  readonly refs: readonly { readonly ref: string; readonly from: string | undefined; readonly commit: string }[];
}

/**
 * Asks the operator's program. It gets a line `REF OLD NEW` for each ref on standard input (64 zeroes for no commit), and in its
 * environment ATOMIC_NIGHTLY_PUSHER and ATOMIC_NIGHTLY_REPO.
 * @returns what it printed
 * @throws NightlyError `target-permission` with its words when it ends with any exit code but 0.
 */
export async function askHook(
  { command: [program, ...args], name, repo, refs }: HookRequest,
  task: Task,
): Promise<string> {
  const lines = refs.map(({ ref, from, commit }) => `${ref} ${from ?? NOTHING} ${commit}\n`);
  const env = { ATOMIC_NIGHTLY_PUSHER: name, ATOMIC_NIGHTLY_REPO: repo };
  const options = { task, env, input: lines.join(''), okExitCodes: ANY_EXIT_CODE, okSignals: true };
  const { exitCode, stdout, stderr } = await run(program, args, options);
  const words = harmlessLines(`${stdout}${stderr}`).trim().slice(0, MOST_WORDS);
  if (exitCode === 0) return words;
  throw new NightlyError('target-permission', words === '' ? 'The hook said no.' : `The hook said no: ${words}`, {
    hint: 'Nothing was changed. Correct what it names, or ask the operator.',
  });
}
