import { z } from 'zod';
import { block, type Here } from './block.ts';
import { filePath } from './values.ts';

/** Makes the schema of the `pages` block: how the distribution is introduced to people. */
export const pagesSchema = (here: Here) =>
  block({
    name: z.string().min(1).max(80).optional().describe('Name of the distribution for people; default: "name".'),
    about: z.string().min(1).max(300).optional().describe('A sentence that says what the distribution is.'),
    logo: filePath(here)
      .refine((path) => /\.(svg|png)$/.test(path), { error: 'must be a file that ends in .svg or .png' })
      .optional()
      .describe('A picture, SVG or PNG, of at most 256 kB.'),
  }).describe('How pages introduce the distribution.');

export const pagesTemplate = `
# How pages introduce the distribution to people.
# pages:
#   name: Example Atomic Host
#   about: A small host for containers that updates as a whole and rolls back as a whole.
#   logo: ./logo.svg           # SVG or PNG
`;
