import { COLOUR_MODES } from '../base/tone.ts';
import { LOG_FORMATS } from '../reports/progress/log-format.ts';
import { choice, flag, text } from './inputs.ts';

/** The options of every command. */
export const GLOBAL_OPTIONS = {
  config: text('FILE', 'configuration', {
    short: 'c',
    default: 'atomic-nightly.yaml',
    env: 'ATOMIC_NIGHTLY_CONFIG',
    completes: 'file',
  }),
  logFormat: choice('FORMAT', LOG_FORMATS, 'progress on standard error', { default: 'auto' }),
  quiet: flag('the same as --log-format quiet: only what fails', { short: 'q' }),
  verbose: flag('the same as --log-format verbose: also what programs print', { short: 'v' }),
  color: choice('WHEN', COLOUR_MODES, 'colours, on a terminal unless NO_COLOR is set', { default: 'auto' }),
};
