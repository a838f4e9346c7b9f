import { z } from 'zod';
import { block } from './block.ts';
import { age } from './values.ts';

/** A commit stays while any of these holds for it, and in any case while some ref names it. */
const refPolicy = block(
  {
    depth: z.int().min(1).optional().describe('Newest commits of the ref that stay, whatever their age.'),
    age: age.optional().describe('Commits younger than this stay, as in 90d.'),
  },
  { age: 'ageSeconds' },
);

/** The `retention` of a target: what a prune of it may remove. */
export const targetRetention = block(
  {
    refs: z
      .record(z.string().min(1), refPolicy)
      .describe(
        'By ref or pattern ("*" stands for anything); the first that matches holds. A ref without one stops a prune.',
      )
      .transform((byPattern) =>
        Object.entries(byPattern).map(([pattern, policy]): RefPolicy => ({ pattern, ...policy })),
      ),
    images: age.optional().describe('Images of older builds go, unless promoted; default: none go.'),
    logs: age.optional().describe('Logs of older builds go; default: none go.'),
    grace: age.prefault('7d').describe('From when a commit is given up until its files go; longer than any cache.'),
  },
  { images: 'imagesSeconds', logs: 'logsSeconds', grace: 'graceSeconds' },
).describe('What "prune" may remove there; without it, nothing.');

export type TargetRetention = z.output<typeof targetRetention>;

/** What holds for the refs that a pattern matches; the first in the order of the file. */
export type RefPolicy = z.output<typeof refPolicy> & { readonly pattern: string };
