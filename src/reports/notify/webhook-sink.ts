import { createHmac } from 'node:crypto';
import type { WebhookSinkConfig } from '../../config/config.ts';
import { ask } from './notify-http.ts';
import { readLogin, type Sink } from './sink.ts';

/**
 * Posts each event as JSON, signed as Standard Webhooks has it (github.com/standard-webhooks/standard-webhooks, spec):
 * `webhook-signature: v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`, with `webhook-id` the event's id and
 * `webhook-timestamp` the seconds since the epoch at which it was sent.
 */
export function webhookSink({ url, secretFile }: WebhookSinkConfig): Sink {
  return {
    // Some services have the secret in the path.
    describe: () => `webhook at ${new URL(url).origin}`,
    async send(event, signal) {
      const body = JSON.stringify(event);
      const timestamp = String(Math.floor(Date.now() / 1000));
      const key = signingKey(await readLogin(secretFile));
      const signature = createHmac('sha256', key).update(`${event.id}.${timestamp}.${body}`).digest('base64');
      const headers = {
        'content-type': 'application/json',
        'user-agent': 'atomic-nightly',
        'webhook-id': event.id,
        'webhook-timestamp': timestamp,
        'webhook-signature': `v1,${signature}`,
      };
      await ask({ method: 'POST', url, headers, body }, signal);
    },
    async check(signal) {
      signingKey(await readLogin(secretFile));
      // Many take nothing but POST and say so: what counts is that somebody answers.
      await ask(
        {
          method: 'HEAD',
          url,
          ok: (status) => status < 500,
          failed: `A HEAD request to ${new URL(url).origin} failed`,
        },
        signal,
      );
    },
  };
}

/** Returns the bytes of a secret: base64 behind `whsec_`, any other text as it is. */
function signingKey(secret: string): Buffer {
  return secret.startsWith('whsec_') ? Buffer.from(secret.slice('whsec_'.length), 'base64') : Buffer.from(secret);
}
