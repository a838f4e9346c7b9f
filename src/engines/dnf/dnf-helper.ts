import { dirname } from 'node:path';
import { z } from 'zod';
import { NightlyError } from '../../base/errors.ts';
import { FREE_SPACE_HINT, FULL_WORDS } from '../../base/full-disk.ts';
import { reasons } from '../../base/read-record.ts';
import { codeFile } from '../../base/shipped.ts';
import type { Task } from '../../base/task.ts';
import { run } from '../../programs/exec.ts';

/** Debian and Fedora install dnf's Python modules for this interpreter; the `python3` first on PATH may be another. */
const PYTHON = '/usr/bin/python3';
const HELPER = codeFile('engines/dnf/depsolve.py');

const helperEvent = z.discriminatedUnion('event', [
  z.object({
    event: z.literal('progress'),
    done: z.number(),
    total: z.number(),
    unit: z.enum(['bytes', 'packages', 'objects', 'files']),
  }),
  z.looseObject({ event: z.literal('result') }),
  z.object({
    event: z.literal('error'),
    kind: z.enum(['missing', 'depsolve', 'repo', 'config', 'package', 'unpack', 'script', 'install']),
    message: z.string(),
    /** What to do, where there is more to say than the kind does. */
    hint: z.string().optional(),
    packages: z
      .array(z.object({ name: z.string(), evra: z.string().optional(), otherContent: z.boolean().optional() }))
      .optional(),
  }),
]);

export type HelperError = Extract<z.infer<typeof helperEvent>, { event: 'error' }>;

export interface HelperCall<T> {
  readonly verb: 'resolve' | 'download' | 'install' | 'version';
  readonly request: unknown;
  readonly result: z.ZodType<T>;
  /** Turns a failure the helper names into the program's error. */
  readonly fail: (error: HelperError, stderr: string) => NightlyError;
  /** An empty folder, so that no .rpmmacros of the user counts. */
  readonly home: string;
  /** Puts the command into a sandbox, in which the helper's own file must be readable. */
  readonly wrap?: (argv: readonly string[], helper: string) => readonly string[];
}

/** What rpm prints before it begins (rpmprob.c, `RPMPROB_DISKSPACE`, `RPMPROB_DISKNODES`). */
const NO_SPACE = /needs \S+ more (?:space|inodes) on the /;

/** Runs depsolve.py, passing its progress on. @throws what `fail` makes of a named failure, `tool-failed`, `disk-full`. */
export async function callHelper<T>(call: HelperCall<T>, task?: Task): Promise<T> {
  let result: unknown;
  let failure: HelperError | undefined;
  const stray: string[] = [];
  const argv = [PYTHON, '-B', '-I', HELPER, call.verb];
  const [command = PYTHON, ...args] = call.wrap ? call.wrap(argv, HELPER) : argv;
  const { stderr } = await run(command, args, {
    task,
    input: JSON.stringify(call.request),
    env: { HOME: call.home },
    okExitCodes: [0, 3],
    // What a package's script prints, and what failed, is for people.
    data: (line) => /^\{"event": "(?:result|progress)"/.test(line),
    onLine(line, stream) {
      if (stream === 'stderr') return;
      const event = parseEvent(line);
      if (!event) stray.push(line);
      else if (event.event === 'progress') task?.progress(event.done, event.total, event.unit);
      else if (event.event === 'result') result = event;
      else failure = event;
    },
  });
  if (failure) {
    const said = failure.message + stderr;
    if (FULL_WORDS.test(said) || NO_SPACE.test(said)) {
      throw new NightlyError('disk-full', `No space left in ${dirname(call.home)} or beside it: ${failure.message}`, {
        hint: FREE_SPACE_HINT,
      });
    }
    throw call.fail(failure, stderr);
  }
  if (result === undefined) {
    throw new NightlyError('bug', `${HELPER} ${call.verb} ended without a result. ${stray.slice(-3).join('\n')}`);
  }
  const parsed = call.result.safeParse(result);
  if (parsed.success) return parsed.data;
  // What it says comes from the repositories' metadata, and is read here for the first time.
  throw new NightlyError(
    'repo-unreachable',
    `The repositories' metadata names what no package can be: ${reasons(parsed.error)}\n${namedWrong(result, parsed.error)}`,
    {
      hint: 'Whoever made that metadata, or the mirror, damaged or changed it: report it to them, or use another mirror.',
    },
  );
}

function parseEvent(line: string): z.infer<typeof helperEvent> | undefined {
  if (!line.startsWith('{')) return undefined;
  let json: unknown;
  try {
    json = JSON.parse(line);
  } catch {
    // A package's script may print to standard output; only our own lines count.
    return undefined;
  }
  return helperEvent.safeParse(json).data;
}

/** Returns the entries that were refused, a line each, so that the repository's owner can find them. */
function namedWrong(result: unknown, { issues }: z.ZodError): string {
  const lines = issues.map(({ path: [list, index] }) => {
    const entries = list === undefined ? undefined : memberOf(result, list);
    return JSON.stringify(index === undefined ? entries : memberOf(entries, index));
  });
  return [...new Set(lines)].slice(0, 10).join('\n');
}

function memberOf(value: unknown, key: PropertyKey): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined;
}
