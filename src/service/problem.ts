import { z } from 'zod';
import { asNightlyError } from '../base/as-nightly-error.ts';

/** The form of a `Problem` wherever it passes from one program to another. */
export const PROBLEM = z.strictObject({
  problem: z.string().describe('What needs somebody, a sentence.'),
  nextStep: z.string().describe('The command or the page to look at.'),
});

/** Something that needs a person, and what that person does next. */
export type Problem = Readonly<z.output<typeof PROBLEM>>;

/**
 * Returns the problem that something could not be looked at for a fault: what to do is its own hint, where it has one.
 * @param before what the fault is about, as in `Audit: `
 */
export function problemOf(fault: unknown, before = ''): Problem {
  const { message, hint } = asNightlyError(fault);
  return { problem: `${before}${message}`, nextStep: hint ?? '"atomic-nightly doctor" looks at all records and keys.' };
}
