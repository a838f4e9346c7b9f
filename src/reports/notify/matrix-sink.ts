import type { MatrixSinkConfig } from '../../config/config.ts';
import { ask } from './notify-http.ts';
import { renderEvent } from './render-notification.ts';
import { deliveryError, readLogin, type Sink } from './sink.ts';

/**
 * Writes each event into a Matrix room (spec.matrix.org, client-server API v3). The transaction id is the event's, so the
 * server takes a repetition for the same message.
 */
export function matrixSink({ homeserver, room, accessTokenFile, template }: MatrixSinkConfig): Sink {
  const api = `${homeserver}/_matrix/client/v3`;
  const login = async () => ({ authorization: `Bearer ${await readLogin(accessTokenFile)}` });
  return {
    describe: () => `Matrix room ${room} at ${homeserver}`,
    async send(event, signal) {
      const content = {
        // A notice is what a program says; others do not answer it.
        msgtype: 'm.notice',
        body: await renderEvent(event, 'text', undefined),
        format: 'org.matrix.custom.html',
        formatted_body: await renderEvent(event, 'html', template),
      };
      const url = `${api}/rooms/${encodeURIComponent(room)}/send/m.room.message/${encodeURIComponent(event.id)}`;
      const headers = { ...(await login()), 'content-type': 'application/json' };
      await ask({ method: 'PUT', url, headers, body: JSON.stringify(content) }, signal);
    },
    async check(signal) {
      const text = await ask(
        {
          method: 'GET',
          url: `${api}/joined_rooms`,
          headers: await login(),
          failed: `${homeserver} did not list the rooms of the account`,
        },
        signal,
      );
      if (!text.includes(JSON.stringify(room))) {
        throw deliveryError(
          `${homeserver} would not take messages`,
          `the account is not in the room ${room}`,
          undefined,
        );
      }
    },
  };
}
