/**
 * How progress is shown on standard error. `auto`: live on a terminal, as lines elsewhere; `plain`: lines; `quiet`: only what fails;
 * `verbose`: lines, and what programs print; `json`: an object a line.
 */
export const LOG_FORMATS = ['auto', 'plain', 'quiet', 'verbose', 'json'] as const;
export type LogFormat = (typeof LOG_FORMATS)[number];
