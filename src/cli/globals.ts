import { choice, text } from './inputs.ts';

/** The options of every command. */
export const GLOBAL_OPTIONS = {
  config: text('FILE', 'configuration', {
    short: 'c',
    default: 'atomic-nightly.yaml',
    env: 'ATOMIC_NIGHTLY_CONFIG',
    completes: 'file',
  }),
  logFormat: choice('FORMAT', ['auto', 'plain', 'json'], 'progress on standard error', { default: 'auto' }),
};
