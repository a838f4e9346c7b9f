/**
 * Exit codes of the program (I7). Scripts, Jenkins and the service go by them.
 * - `done` 0; `failed` 1; `usage` 2: the command line, the configuration or the treefile; `unchanged` 10: nothing to build;
 * - `locked` 11: another run works on it; `gateFailed` 12: built and published, but its smoke test or a test of the SIG's own
 *   did not pass, or a command was refused because of that;
 * - `interrupted` 130: by a signal; `resume` continues it.
 */
export const EXIT = {
  done: 0,
  failed: 1,
  usage: 2,
  unchanged: 10,
  locked: 11,
  gateFailed: 12,
  interrupted: 130,
} as const;

export type ExitName = keyof typeof EXIT;

/** How the end of a build, or a build under way, is shown and counted. */
export interface OutcomeSpec {
  /** What the command that ended so exits with; undefined while it runs. */
  readonly exit: ExitName | undefined;
  /** The word for people, beside its symbol: never by colour alone. */
  readonly label: string;
  readonly symbol: string;
  readonly tone: 'good' | 'warn' | 'bad' | 'busy' | 'idle';
  /** Its commit is published, and its records with it. */
  readonly published: boolean;
  /** Somebody has to look at it: notifications, and "recovered" when it is over. */
  readonly bad: boolean;
}

/**
 * Every state of a build, in one table: exit code, word, symbol and colour, and who reads it.
 * - `running`: a run works on it, or was killed doing so (then nobody holds the run lock)
 * - `interrupted`: a signal stopped it, or it ended where it was asked to before anything was published; `resume` continues it
 * - `unchanged`: nothing to build; its id is used up
 * - `failed`: no commit was published
 * - `incomplete`: the tree is published; an image or a later step failed, or images are still to be made. Or nothing is visible yet,
 *   because too few witnesses have cosigned the log
 * - `gate-failed`: built, but its smoke test, or a test of the SIG's own, did not pass
 * - `complete`: all of it
 */
export const OUTCOMES = {
  running: outcome(undefined, 'running', '▸', 'busy', {}),
  interrupted: outcome('interrupted', 'interrupted', '‖', 'warn', {}),
  unchanged: outcome('unchanged', 'unchanged', '=', 'idle', {}),
  failed: outcome('failed', 'failed', '✕', 'bad', { bad: true }),
  incomplete: outcome('failed', 'incomplete', '◐', 'warn', { published: true, bad: true }),
  'gate-failed': outcome('gateFailed', 'gate failed', '⊘', 'warn', { published: true, bad: true }),
  complete: outcome('done', 'complete', '✓', 'good', { published: true }),
} as const satisfies Readonly<Record<string, OutcomeSpec>>;

/** How a build stands: a key of OUTCOMES, which says what each means. */
export type BuildState = keyof typeof OUTCOMES;

function outcome<Exit extends ExitName | undefined>(
  exit: Exit,
  label: string,
  symbol: string,
  tone: OutcomeSpec['tone'],
  { published = false, bad = false }: { readonly published?: boolean; readonly bad?: boolean },
): OutcomeSpec & { readonly exit: Exit } {
  return { exit, label, symbol, tone, published, bad };
}

/** Looks a state up; undefined for one of a later version. */
export function outcomeOf(state: string): OutcomeSpec | undefined {
  return Object.hasOwn(OUTCOMES, state) ? OUTCOMES[state as BuildState] : undefined;
}

/** Whether a build in that state has its commit and its records published. */
export const isPublishedState = (state: string): boolean => outcomeOf(state)?.published ?? false;
