import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { everyCase } from './every-case.ts';
import { type CliResult, runCli } from './world.ts';

const HOOK = new URL('./kill-at-write.mjs', import.meta.url).href;

/** Few of many, spread over all of them. */
const TELLING = 4;

/** A command that is killed at its writes below a folder. */
export interface KilledCommand {
  readonly cwd: string;
  readonly args: readonly string[];
  readonly below: string;
}

/** Runs the command undisturbed. @returns the numbers of the writes at which it is to be killed: each, or in `npm test` some */
export async function writesOf({ cwd, args, below }: KilledCommand): Promise<{ all: CliResult; moments: number[] }> {
  const file = join(cwd, 'writes');
  const all = await runCli(cwd, args, { NODE_OPTIONS: `--import=${HOOK}`, KILL_BELOW: below, KILL_COUNT: file });
  const count = Number(readFileSync(file, 'utf8'));
  const moments = Array.from({ length: count }, (_, index) => index + 1);
  const each = Math.ceil(count / TELLING);
  return { all, moments: moments.filter((at) => everyCase || at % each === 0) };
}

/** Runs the command until it is killed at a write; one that makes fewer this time comes to its end. */
export function killedAt({ cwd, args, below }: KilledCommand, at: number): Promise<CliResult> {
  return runCli(cwd, args, { NODE_OPTIONS: `--import=${HOOK}`, KILL_BELOW: below, KILL_AT: String(at) });
}
