import { NightlyError } from '../../base/errors.ts';
import { withSmtp } from '../../base/smtp.ts';
import type { MailConfig } from '../../config/config.ts';

/** Longest silence of the mail server. */
const SILENCE_MS = 60_000;

export interface Announcement {
  readonly mail: MailConfig;
  readonly subject: string;
  readonly text: string;
  /** The same for the same release, so that one that is sent twice after a kill is seen as one. */
  readonly messageId: string;
  readonly date: Date;
}

/** Returns the announcement as a message file, which any mail program can send. */
export async function messageFile({ mail, ...content }: Announcement): Promise<Buffer> {
  const { createTransport } = await import('nodemailer');
  const { message } = await createTransport({ streamTransport: true, buffer: true, newline: 'unix' }).sendMail({
    from: mail.from,
    to: [...mail.to],
    ...content,
  });
  return Buffer.from(message as Buffer);
}

/**
 * Sends such a message as it is.
 * @throws NightlyError `mail` when the server cannot be reached or refuses it.
 */
export async function sendMessage(raw: Uint8Array, mail: MailConfig): Promise<void> {
  const { smtp } = mail;
  if (!smtp) return;
  const { host, port } = smtp;
  const envelope = { from: mail.from, to: [...mail.to] };
  try {
    await withSmtp(smtp, { silenceMs: SILENCE_MS }, (server) => server.sendMail({ envelope, raw: Buffer.from(raw) }));
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new NightlyError('mail', `The mail server ${host}:${port} did not take the announcement: ${why}.`, {
      hint: 'The release itself is done. Run the same command again to retry the mail, or send release/announcement.eml by hand.',
      cause: error,
    });
  }
}
