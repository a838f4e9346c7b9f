import type { LogFormat } from '../reports/progress/log-format.ts';
import type { Printer } from './print.ts';

/** What every command is given beside its own arguments and options. */
export interface Context {
  /** Path of the configuration. */
  readonly config: string;
  readonly logFormat: LogFormat;
  readonly print: Printer;
}

/** What a command is given that can be interrupted: SIGINT and SIGTERM abort the signal instead of ending the program. */
export interface RunContext extends Context {
  readonly signal: AbortSignal;
}
