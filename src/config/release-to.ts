import { resolve } from 'node:path';
import { z } from 'zod';
import type { ReleaseTo } from './config.ts';
import { address, normaliseSmtp, smtpSchema } from './mail-server.ts';
import { filePath } from './values.ts';

/** The `release` block of a release stream. */
export const releaseToSchema = z
  .strictObject({
    tree: z.array(z.string()).min(1, 'needs at least one target').describe('Targets that get the tree.'),
    images: z
      .array(z.string())
      .min(1, 'needs at least one target')
      .optional()
      .describe('Targets that get images, records and notes; default: those of the tree.'),
    'known-issues': filePath.optional().describe('A Markdown file whose text goes into the release notes.'),
    templates: filePath
      .optional()
      .describe(
        'Folder with notes.md.hbs, wiki.hbs or announcement.txt.hbs of your own; others are those that come along.',
      ),
    mail: z
      .strictObject({
        from: address,
        to: z.array(address).min(1, 'needs at least one address'),
        smtp: smtpSchema
          .optional()
          .describe('The server that sends the announcement; without it the mail is left ready to send.'),
      })
      .optional()
      .describe('The announcement.'),
  })
  .describe('Where "release" sends a promotion that was tested, and what it tells.');

type Raw = z.output<typeof releaseToSchema>;

/** The block as the program uses it. */
export function normaliseReleaseTo(raw: Raw, folder: string): ReleaseTo {
  const { tree, images = tree, 'known-issues': issues, templates, mail } = raw;
  return {
    tree,
    images,
    ...(issues === undefined ? {} : { knownIssues: resolve(folder, issues) }),
    ...(templates === undefined ? {} : { templates: resolve(folder, templates) }),
    ...(mail === undefined
      ? {}
      : {
          mail: {
            from: mail.from,
            to: mail.to,
            ...(mail.smtp === undefined ? {} : { smtp: normaliseSmtp(mail.smtp, folder) }),
          },
        }),
  };
}
