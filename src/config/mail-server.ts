import { z } from 'zod';
import { block, type Filled, type Here } from './block.ts';
import { filePath } from './values.ts';

/** A mail address. */
export const address = z.string().regex(/^[^\s<>@]+@[^\s<>@]+$/, 'must be a mail address as in sig@example.org');

/** Makes the schema of a mail server that takes messages, wherever mail is configured. */
export const smtpSchema = (here: Here) => {
  const written = block({
    host: z.string().min(1),
    port: z.int().min(1).max(65535).optional().describe('Default: 25, or 465 with tls.'),
    security: z.enum(['starttls', 'tls', 'none']).default('starttls'),
    user: z.string().min(1).optional(),
    'password-file': filePath(here).optional(),
  });
  return written.transform(
    (server): Filled<z.output<typeof written>, 'port'> => ({
      ...server,
      port: server.port ?? (server.security === 'tls' ? 465 : 25),
    }),
  );
};
