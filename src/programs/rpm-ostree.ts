import { basename } from 'node:path';
import { NightlyError } from '../base/errors.ts';
import type { Task } from '../base/task.ts';
import { type RunResult, run } from './exec.ts';
import { commandLine } from './program-fault.ts';
import { ANY_EXIT_CODE } from './spawn.ts';

/** An rpm-ostree that can be run, with what it can do. Its options differ much between releases, so it is asked. */
export interface RpmOstree {
  /** What stands in front of `compose tree …`: the program, or a container command that ends in it. */
  readonly command: readonly [string, ...string[]];
  /** The installed release, as in `2020.8`. */
  readonly version: string;
  /** Long options of `compose tree`, with the dashes. */
  readonly options: ReadonlySet<string>;
}

/**
 * Asks an rpm-ostree for its version and the options of `compose tree`.
 * @throws NightlyError `tool-missing`, `tool-failed` when what runs is no rpm-ostree.
 */
export async function probeRpmOstree(command: readonly [string, ...string[]], task?: Task): Promise<RpmOstree> {
  // A container may have to start, or even its image to be pulled.
  const options = { timeoutMs: 300_000, task };
  const [program, ...prefix] = command;
  const { stdout } = await run(program, [...prefix, '--version'], options);
  const help = await run(program, [...prefix, 'compose', 'tree', '--help'], options);
  const version = parseVersion(stdout);
  const found = parseOptions(help.stdout);
  if (version === undefined || !found.has('--repo')) {
    throw new NightlyError('tool-failed', `${commandLine(program, prefix)} does not answer as rpm-ostree does.`, {
      hint: 'Correct engine.command; "--version" and "compose tree --help" are appended to it and must work.',
    });
  }
  return { command, version, options: found };
}

/** Reads the version out of `Version: '2020.8'` (YAML since 2018) or `rpm-ostree 2018.7`. */
export function parseVersion(output: string): string | undefined {
  return /(?:Version:\s*'?|^rpm-ostree\s+)(\d{4}\.\d+)/m.exec(output)?.[1];
}

/** Returns the long options in a GLib help text, one at the start of a line: `  --repo=REPO`, `  -r, --repo=REPO`. */
export function parseOptions(help: string): ReadonlySet<string> {
  return new Set([...help.matchAll(/^\s+(?:-\w, )?(--[a-z][\w-]*)/gm)].flatMap((match) => match[1] ?? []));
}

/** Whether a release such as `2018.7` is that old or older than `2018.10`. */
export function isBefore(version: string, other: string): boolean {
  const [year = 0, release = 0] = version.split('.').map(Number);
  const [otherYear = 0, otherRelease = 0] = other.split('.').map(Number);
  return year < otherYear || (year === otherYear && release < otherRelease);
}

/**
 * Runs `compose tree` to its end. Any exit code and any death by a signal (128 and its number) is a result; the caller
 * reads the output. Output goes to pipes, never
 * to a terminal, where rpm-ostree would mix cursor movements into it.
 * @param how.env set for rpm-ostree, inside a container too when the command's last word is the program itself
 * @param how.cwd what relative paths of certificates in .repo files count from, as they do for dnf here
 * @throws NightlyError `tool-missing`, `interrupted`.
 */
export async function composeTree(
  rpmOstree: RpmOstree,
  args: readonly string[],
  { env, cwd }: { readonly env: Readonly<Record<string, string>>; readonly cwd: string },
  onLine: (line: string, stream: 'stdout' | 'stderr') => void,
  task: Task,
): Promise<RunResult> {
  const [program, ...rest] = withEnvironment(rpmOstree.command, env);
  return await run(program, [...rest, 'compose', 'tree', ...args], {
    task,
    onLine,
    env,
    cwd,
    okExitCodes: ANY_EXIT_CODE,
    okSignals: true,
  });
}

/** `podman run image rpm-ostree` becomes `podman run image env NAME=value rpm-ostree`: a container has its own environment. */
export function withEnvironment(
  command: readonly [string, ...string[]],
  environment: Readonly<Record<string, string>>,
): readonly [string, ...string[]] {
  const [first, ...rest] = command;
  const last = rest.at(-1);
  const variables = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
  if (last === undefined || basename(last) !== 'rpm-ostree' || variables.length === 0) return command;
  return [first, ...rest.slice(0, -1), 'env', ...variables, last];
}
