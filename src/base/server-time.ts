import { isIP } from 'node:net';
import type { Connection } from './connection.ts';
import { RefusedConnection } from './connection-faults.ts';
import { type HttpResponse, httpFetch } from './http.ts';

/** What somebody else says the time is. */
export interface TimeWitness {
  /** Scheme, host and port of the server. */
  readonly origin: string;
  /** Seconds since the epoch by the server's clock, less this machine's. */
  readonly ahead: number;
  /**
   * False where its agreement says nothing: a server on this machine has the same clock, and one whose certificate is not good, which
   * may be because the clock is wrong, may be anybody.
   */
  readonly confirms: boolean;
}

/** An address whose server is asked for the time. */
export interface Asked {
  readonly url: string;
  readonly connection?: Connection;
}

/** Who does not answer by then does not say what time it is; whatever is needed of it is fetched with more patience. */
const TIME_LIMIT_MS = 10_000;

/** Asks the server of each address for its time, each server once. Those that do not answer, or without a Date, are left out. */
export async function askServers(asked: readonly Asked[], signal: AbortSignal): Promise<TimeWitness[]> {
  const byOrigin = new Map<string, Asked>();
  for (const one of asked) {
    const origin = /^https?:/.test(one.url) && URL.canParse(one.url) ? new URL(one.url).origin : undefined;
    if (origin !== undefined && !byOrigin.has(origin)) byOrigin.set(origin, one);
  }
  const answers = await Promise.all([...byOrigin].map(([origin, one]) => askServer(origin, one, signal)));
  return answers.filter((answer) => answer !== undefined);
}

async function askServer(
  origin: string,
  { url, connection }: Asked,
  signal: AbortSignal,
): Promise<TimeWitness | undefined> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(TIME_LIMIT_MS)]);
  const ask = async (how: Connection | undefined): Promise<number | undefined> => {
    const headers = { 'cache-control': 'no-cache' };
    const response = await httpFetch(url, { method: 'HEAD', redirect: 'manual', headers, signal: limit }, how);
    await response.body?.cancel();
    const said = timeIn(response.headers);
    return said === undefined ? undefined : said - Math.floor(Date.now() / 1000);
  };
  try {
    const ahead = await ask(connection);
    return ahead === undefined ? undefined : { origin, ahead, confirms: !isLocal(new URL(origin).hostname) };
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof RefusedConnection)) return undefined;
  }
  try {
    // By a wrong clock no certificate is good: the server may still contradict that clock. No login goes to it.
    const ahead = await ask({ ...withoutLogins(connection), verify: false });
    return ahead === undefined ? undefined : { origin, ahead, confirms: false };
  } catch {
    signal.throwIfAborted();
    return undefined;
  }
}

const withoutLogins = (connection: Connection = {}): Connection => {
  const { login: _, serverLogins: __, ...rest } = connection;
  return rest;
};

/** When an answer was sent, seconds since the epoch: its Date, and its Age where a cache kept it (RFC 9110, 5.6.7; RFC 9111, 5.1). */
export function timeIn(headers: Pick<HttpResponse['headers'], 'get'>): number | undefined {
  const date = headers.get('date') ?? '';
  if (!/^[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT$/.test(date)) return undefined;
  const sent = Date.parse(date) / 1000;
  const age = headers.get('age') ?? '';
  return Number.isNaN(sent) ? undefined : sent + (/^\d{1,9}$/.test(age) ? Number(age) : 0);
}

/** Whether a URL's host is this machine itself, as only programs on it see it. */
export function isLocal(hostname: string): boolean {
  const host = hostname.replace(/^\[|\]$/g, '');
  return /(^|\.)localhost$/.test(host) || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}
