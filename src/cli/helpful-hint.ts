import { NightlyError } from '../base/errors.ts';

/** What is below the command line does not know which command it works for, and recommends the one that continues a build. */
const RESUME = /"atomic-nightly resume"/g;
const RUN_RESUME = /\b(run) "atomic-nightly resume"/gi;

/**
 * Returns an error whose hint fits the command that met it: "resume" with the id of the build where there is one; the command itself
 * where there is none, as for one that verifies, prunes or pushes; nothing after Ctrl-C in a dry run, which leaves nothing to continue.
 */
export function withHelpfulHint(error: NightlyError, { dryRun }: { readonly dryRun: boolean }): NightlyError {
  const hint = helpfulHint(error, dryRun);
  if (hint === error.hint) return error;
  const { code, message, place, cause, log, faults, step, build } = error;
  const helpful = new NightlyError(code, message, {
    ...(hint === undefined ? {} : { hint }),
    place,
    cause,
    log,
    faults,
  });
  return Object.assign(helpful, { step, build });
}

function helpfulHint({ code, hint, build }: NightlyError, dryRun: boolean): string | undefined {
  if (hint === undefined || !hint.includes('"atomic-nightly resume"')) return hint;
  if (build) return hint.replace(RESUME, `"atomic-nightly resume ${build.id}"`);
  if (code === 'interrupted') return dryRun ? undefined : 'Run the command again.';
  return hint.replace(RUN_RESUME, (_, run: string) => `${run} the command again`);
}
