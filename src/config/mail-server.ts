import { resolve } from 'node:path';
import { z } from 'zod';
import type { SmtpConfig } from './config.ts';
import { filePath } from './values.ts';

/** A mail address. */
export const address = z.string().regex(/^[^\s<>@]+@[^\s<>@]+$/, 'must be a mail address as in sig@example.org');

/** A mail server that takes messages, wherever mail is configured. */
export const smtpSchema = z.strictObject({
  host: z.string().min(1),
  port: z.int().min(1).max(65535).optional().describe('Default: 25, or 465 with tls.'),
  security: z.enum(['starttls', 'tls', 'none']).default('starttls'),
  user: z.string().min(1).optional(),
  'password-file': filePath.optional(),
});

/** The same as the program uses it. */
export function normaliseSmtp(raw: z.output<typeof smtpSchema>, folder: string): SmtpConfig {
  const { host, port, security, user, 'password-file': password } = raw;
  return {
    host,
    port: port ?? (security === 'tls' ? 465 : 25),
    security,
    ...(user === undefined ? {} : { user }),
    ...(password === undefined ? {} : { passwordFile: resolve(folder, password) }),
  };
}
