import { z } from 'zod';
import { block, type Filled, type Here } from './block.ts';
import { address, smtpSchema } from './mail-server.ts';
import { filePath } from './values.ts';

const mailSchema = (here: Here) =>
  block({
    from: address,
    to: z.array(address).min(1, 'needs at least one address'),
    smtp: smtpSchema(here)
      .optional()
      .describe('The server that sends the announcement; without it the mail is left ready to send.'),
  });

export type MailConfig = z.output<ReturnType<typeof mailSchema>>;

/** Makes the schema of the `release` block of a release stream: where a release goes, and who is told. */
export const releaseToSchema = (here: Here) => {
  const written = block({
    tree: z.array(z.string()).min(1, 'needs at least one target').describe('Targets that get the tree.'),
    images: z
      .array(z.string())
      .min(1, 'needs at least one target')
      .optional()
      .describe('Targets that get images, records and notes; default: those of the tree.'),
    'known-issues': filePath(here).optional().describe('A Markdown file whose text goes into the release notes.'),
    templates: filePath(here)
      .optional()
      .describe(
        'Folder with notes.md.hbs, wiki.hbs or announcement.txt.hbs of your own; the built-in ones fill in the rest.',
      ),
    mail: mailSchema(here).optional().describe('The announcement.'),
  });
  return written
    .describe('Where "release" publishes a tested promotion, and how it is announced.')
    .transform((to): Filled<z.output<typeof written>, 'images'> => ({ ...to, images: to.images ?? to.tree }));
};

export type ReleaseTo = z.output<ReturnType<typeof releaseToSchema>>;
