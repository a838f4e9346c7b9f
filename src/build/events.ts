import type { ErrorCode } from '../base/errors.ts';
import type { ProgressUnit } from '../base/progress.ts';

/** What happens in a run, in order. The terminal, the log and later the metrics and pages only listen to these. */
export type RunEvent =
  | { readonly type: 'run-started'; readonly build: string; readonly stream: string; readonly resumed: boolean }
  | { readonly type: 'step-started'; readonly step: string }
  /** The step was done in an earlier attempt of this build; its recorded result is used. */
  | { readonly type: 'step-kept'; readonly step: string }
  | { readonly type: 'step-line'; readonly step: string; readonly line: string }
  | {
      readonly type: 'step-progress';
      readonly step: string;
      readonly done: number;
      readonly total: number | undefined;
      readonly unit: ProgressUnit;
    }
  | { readonly type: 'step-done'; readonly step: string; readonly seconds: number }
  | {
      readonly type: 'step-failed';
      readonly step: string;
      readonly seconds: number;
      readonly code: ErrorCode;
      readonly message: string;
    }
  | { readonly type: 'run-ended'; readonly build: string; readonly state: BuildState; readonly seconds: number };

/**
 * How a build stands.
 * - `running`: a run works on it, or was killed doing so (then nobody holds the run lock)
 * - `interrupted`: a signal stopped it, or it ended where it was asked to before anything was published; `resume` goes on
 * - `unchanged`: nothing to build; its id is used up
 * - `failed`: no commit was published
 * - `incomplete`: the tree is published; an image or a later step failed, or images are still to be made
 * - `gate-failed`: built, but its smoke test did not pass
 * - `complete`: all of it
 */
export type BuildState = 'running' | 'interrupted' | 'unchanged' | 'failed' | 'incomplete' | 'gate-failed' | 'complete';

export type Listener = (event: RunEvent) => void;
