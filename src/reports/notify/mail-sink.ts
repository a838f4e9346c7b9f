import { NightlyError } from '../../base/errors.ts';
import { withSmtp } from '../../base/smtp.ts';
import type { MailSinkConfig } from '../../config/config.ts';
import { headline } from './describe.ts';
import { harmlessLine, renderEvent } from './render-notification.ts';
import { deliveryError, notTaken, type Sink } from './sink.ts';

/** Longest silence of the mail server. */
const SILENCE_MS = 8000;

/** Sends each event as a mail of its own, with the same Message-ID whenever it is sent. */
export function mailSink(config: MailSinkConfig): Sink {
  const { from, to, smtp, template } = config;
  const place = `The mail server ${smtp.host}:${smtp.port}`;
  return {
    describe: () => `mail to ${to.join(', ')} by ${smtp.host}:${smtp.port}`,
    async send(event, signal) {
      const message = {
        from,
        to: [...to],
        subject: harmlessLine(headline(event)),
        text: await renderEvent(event, 'text', template),
        messageId: `<${event.id}@${from.split('@')[1] ?? ''}>`,
        date: new Date(event.at),
        // RFC 3834: nobody's holiday notice answers it.
        headers: { 'Auto-Submitted': 'auto-generated' },
      };
      await withSmtp(smtp, { signal, silenceMs: SILENCE_MS }, (server) => server.sendMail(message)).catch(
        fail(notTaken(place)),
      );
    },
    async check(signal) {
      await withSmtp(smtp, { signal, silenceMs: SILENCE_MS }, (server) => server.verify()).catch(
        fail(`${place} did not accept a connection`),
      );
    },
  };
}

const fail =
  (failed: string) =>
  (error: unknown): never => {
    if (error instanceof NightlyError) throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw deliveryError(failed, why, error, isRefusal(error));
  };

/**
 * Returns an answer of "never" to the content itself (RFC 5321, 4.2.3); one to the sender or the login can be mended.
 */
function isRefusal(error: unknown): boolean {
  if (!(error instanceof Error) || !('responseCode' in error) || !('command' in error)) return false;
  return error.command === 'DATA' && (error.responseCode === 552 || error.responseCode === 554);
}
