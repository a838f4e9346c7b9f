import type { ErrorCode } from '../base/errors.ts';
import type { ProgressUnit } from '../base/progress.ts';
import type { BuildState } from './outcomes.ts';

/** What happens in a run, in order. The terminal, the log and later the metrics and pages only listen to these. */
export type RunEvent =
  | { readonly type: 'run-started'; readonly build: string; readonly stream: string; readonly resumed: boolean }
  /** `log`: where what its programs print arrives. */
  | { readonly type: 'step-started'; readonly step: string; readonly log?: string }
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

export type Listener = (event: RunEvent) => void;
