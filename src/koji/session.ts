import { z } from 'zod';
import { NightlyError } from '../base/errors.ts';
import { oneLine } from '../base/one-line.ts';
import { reasons } from '../base/read-record.ts';
import { keepSecret } from '../base/redact.ts';
import { FAULT } from './fault-codes.ts';
import { type HubLogin, type PostOptions, postCall } from './post-call.ts';
import { formatCall } from './write-call.ts';
import type { XmlRpcAnswer, XmlRpcValue } from './xml-rpc-value.ts';

/** A login at the hub, which numbers the calls that it makes. */
export interface Session {
  /** Makes a call, after those that were begun before it. The session is opened by the first one. */
  post(method: string, params: readonly XmlRpcValue[]): Promise<XmlRpcAnswer>;
  close(): Promise<void>;
}

interface Login {
  readonly id: number;
  readonly key: string;
  /** Whether the hub takes the session from headers; before koji 1.32 it is in the URL. */
  readonly headers: boolean;
  calls: number;
}

/** What `sslLogin` answers. */
const LOGIN = z.object({
  'session-id': z.int().nonnegative(),
  'session-key': z.string().min(1),
  'header-auth': z.boolean().optional(),
});

/** So often a session that has expired, or was done with, is replaced within one call. */
const NEW_TRIES = 3;

/** Returns a session. @param how its login; undefined: by the client certificate of the connection */
export function openSession(server: string, how: HubLogin | undefined, options: PostOptions): Session {
  let login: Login | undefined;
  let last: Promise<unknown> = Promise.resolve();

  const postNumbered = async (method: string, params: readonly XmlRpcValue[]): Promise<XmlRpcAnswer> => {
    for (let tries = 1; ; tries += 1) {
      login ??= await logIn(server, how, options);
      const answer = await postAs(login, server, method, params, options);
      if (answer.kind === 'value' || tries > NEW_TRIES) return answer;
      if (answer.code === FAULT.sessionExpired || answer.code === FAULT.sequence) login = undefined;
      else if (answer.code !== FAULT.retry) return answer;
      options.task.say(`${method}: ${oneLine(answer.message)}; making the call anew`);
    }
  };
  return {
    post(method, params) {
      const next = last.then(() => postNumbered(method, params));
      last = next.catch(() => undefined);
      return next;
    },
    async close() {
      await last;
      if (login === undefined) return;
      const leaving = login;
      login = undefined;
      // A session that is not closed expires by itself.
      const once = { ...options, patience: { ...options.patience, tries: 1, mostOfflineMs: 0 } };
      await postAs(leaving, server, 'logout', [], once).catch(() => undefined);
    },
  };
}

/** Posts a call under the session's next number. */
async function postAs(
  login: Login,
  server: string,
  method: string,
  params: readonly XmlRpcValue[],
  options: PostOptions,
): Promise<XmlRpcAnswer> {
  const number = String(login.calls);
  login.calls += 1;
  const body = formatCall(method, params);
  if (!login.headers) {
    const query = new URLSearchParams({ 'session-id': String(login.id), 'session-key': login.key, callnum: number });
    return postCall(`${server}?${query}`, body, {}, options);
  }
  const headers = {
    'Koji-Session-Id': String(login.id),
    'Koji-Session-Key': login.key,
    'Koji-Session-Callnum': number,
  };
  return postCall(server, body, headers, options);
}

async function logIn(server: string, how: HubLogin | undefined, options: PostOptions): Promise<Login> {
  const { certFile } = options.connection;
  if (certFile === undefined && how === undefined) {
    throw new NightlyError('koji', `There is nothing to log in at ${server} with.`, {
      hint: 'Set cert-file in the koji block, or keytab for a login by Kerberos.',
    });
  }
  const answer = await postCall(`${server}/ssllogin`, formatCall('sslLogin', []), {}, { ...options, ...how });
  if (answer.kind === 'fault') {
    const who = how?.who ?? `The common name of ${certFile}`;
    throw new NightlyError('koji', `The koji hub ${server} refuses the login: ${oneLine(answer.message)}.`, {
      hint: `${who} must be a user of the hub: "koji add-user", then "koji grant-permission sign".`,
    });
  }
  const { data, error } = LOGIN.safeParse(answer.value);
  if (data === undefined) {
    throw new NightlyError('koji', `The koji hub ${server} answers a login with something else: ${reasons(error)}.`);
  }
  keepSecret(data['session-key']);
  return {
    ...{ id: data['session-id'], key: data['session-key'], calls: 0 },
    headers: data['header-auth'] === true,
  };
}
