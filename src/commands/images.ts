import { goOn } from './go-on.ts';
import type { RunCommandOptions } from './open-run.ts';
import type { Printer } from './print.ts';

/**
 * `atomic-nightly images [BUILD]`: makes the images of a build that are missing, or whose image type changed since, from
 * the commit it has; then tests and publishes them. Gives the exit code.
 */
export function runImages(
  id: string | undefined,
  options: RunCommandOptions & { readonly json: boolean },
  print: Printer,
): Promise<number> {
  return goOn('images', id, options, print);
}
