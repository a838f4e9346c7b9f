import { setTimeout as sleep } from 'node:timers/promises';
import type { Connection } from '../base/connection.ts';
import { RefusedConnection, reasonOf } from '../base/connection-faults.ts';
import { NightlyError } from '../base/errors.ts';
import { type HttpResponse, httpFetch } from '../base/http.ts';
import { proxyAnswer } from '../base/proxies.ts';
import type { Task } from '../base/task.ts';
import { FormatError } from '../rpm/format-error.ts';
import { FAULT } from './fault-codes.ts';
import { answerReader } from './read-answer.ts';
import type { XmlRpcAnswer } from './xml-rpc-value.ts';

/** How a hub that does not answer is waited for, in milliseconds. */
export interface HubPatience {
  /** Between tries; the second follows the first at once. */
  readonly retryMs: number;
  readonly tries: number;
  /** Between looks at a hub that is down for maintenance, which is no failure. */
  readonly offlineMs: number;
  /** How long maintenance may take. */
  readonly mostOfflineMs: number;
}

/** What koji's own client does, and a day of maintenance. */
export const HUB_PATIENCE: HubPatience = {
  retryMs: 20_000,
  tries: 31,
  offlineMs: 20_000,
  mostOfflineMs: 24 * 3_600_000,
};

export interface PostOptions {
  readonly connection: Connection;
  readonly patience: HubPatience;
  readonly task: Task;
  /** Sends a call and gets its answer; default: the program's own HTTP client. */
  readonly exchange?: Exchange;
}

/**
 * Posts to a URL.
 * @throws RefusedConnection, NightlyError for what trying again does not change; whatever else for the rest.
 */
export type Exchange = (
  url: string,
  body: string,
  headers: Readonly<Record<string, string>>,
  how: Pick<PostOptions, 'connection' | 'task'>,
) => Promise<HttpResponse>;

/** A login that is sent in another way than with the connection's client certificate. */
export interface HubLogin {
  readonly exchange: Exchange;
  /** Whom the hub must know, as a sentence begins with it. */
  readonly who: string;
}

const byHttp: Exchange = (url, body, headers, { connection, task: { signal } }) =>
  httpFetch(url, { method: 'POST', body, signal, redirect: 'manual', headers }, connection);

/**
 * Posts a call until the hub has answered it, and returns the answer. An answer is waited for as long as undici does: five minutes without a byte.
 * @throws NightlyError `koji-unreachable`, `koji` for an answer that trying again does not change.
 */
export async function postCall(
  url: string,
  body: string,
  headers: Readonly<Record<string, string>>,
  options: PostOptions,
): Promise<XmlRpcAnswer> {
  const { patience, task } = options;
  let offlineSince: number | undefined;
  for (let failures = 0; ; ) {
    task.signal.throwIfAborted();
    try {
      const answer = await postOnce(url, body, headers, options);
      if (answer.kind !== 'fault' || answer.code !== FAULT.offline) return answer;
      offlineSince ??= performance.now();
      if (performance.now() - offlineSince > patience.mostOfflineMs)
        throw unreachable(url, 'it is down for maintenance');
      task.say(`${url} is down for maintenance (${answer.message}): waiting`);
      await sleep(patience.offlineMs, undefined, { signal: task.signal });
    } catch (error) {
      task.signal.throwIfAborted();
      if (error instanceof NightlyError) throw error;
      failures += 1;
      if (failures >= patience.tries) throw unreachable(url, reasonOf(error), error);
      task.say(`${url}: ${reasonOf(error)}; trying again`);
      if (failures > 1) await sleep(patience.retryMs, undefined, { signal: task.signal });
    }
  }
}

async function postOnce(
  url: string,
  body: string,
  headers: Readonly<Record<string, string>>,
  options: PostOptions,
): Promise<XmlRpcAnswer> {
  const { connection, exchange = byHttp } = options;
  const sent = exchange(url, body, { 'content-type': 'text/xml', ...headers }, options);
  const response = await sent.catch((error: unknown) => {
    throw error instanceof RefusedConnection ? refused(url, error.message, connection, 'cannot be asked') : error;
  });
  if (response.status === 200) return readAnswer(response, url);
  await response.body?.cancel().catch(() => undefined);
  const said = `HTTP ${response.status} ${response.statusText}`.trim();
  if (response.status >= 500 || response.status === 429) throw new Error(said);
  throw refused(
    url,
    response.status === 407 ? proxyAnswer(407, url, connection) : statusText(response, said),
    connection,
  );
}

const statusText = (response: HttpResponse, said: string): string =>
  response.status >= 300 && response.status < 400
    ? `it redirects to ${response.headers.get('location') ?? 'nowhere'}`
    : said;

async function readAnswer(response: HttpResponse, url: string): Promise<XmlRpcAnswer> {
  const reader = answerReader();
  try {
    for await (const part of response.body ?? []) reader.write(part);
    return reader.end();
  } catch (error) {
    // One that is cut short comes whole the next time; a login page stays one.
    if (error instanceof FormatError && error.message.startsWith('it is a web page')) throw notAHub(url, error);
    throw error;
  }
}

function notAHub(url: string, error: FormatError): NightlyError {
  return new NightlyError('koji', `${url} did not answer as a koji hub: ${error.message}.`, {
    hint: 'Check hub.server of the koji block: it is the URL that "server" has in koji.conf.',
    cause: error,
  });
}

function refused(url: string, why: string, { certFile }: Connection, what = 'refuses the call'): NightlyError {
  const hint =
    certFile === undefined
      ? 'Check server, ca-file and the proxy of the koji block.'
      : `Check server, ca-file, the proxy, and the client certificate ${certFile} of the koji block.`;
  return new NightlyError('koji', `The koji hub ${url} ${what}: ${why}.`, { hint });
}

function unreachable(url: string, why: string, cause?: unknown): NightlyError {
  return new NightlyError('koji-unreachable', `The koji hub ${url} does not answer: ${why}.`, {
    hint: 'Nothing was changed by what was not answered. Try again when the hub is back.',
    cause,
  });
}
