import type { Connection } from './connection.ts';
import { proxyAnswer, proxyFor } from './proxies.ts';
import { withoutUserinfo } from './redact.ts';

/** Someone on the way refused the connection, or this side cannot make one: trying again without another configuration leads to the same. */
export class RefusedConnection extends Error {
  override readonly name = 'RefusedConnection';
}

/** Returns the error for a request that got no answer, with a message that says what failed. */
export function connectionFault(error: unknown, url: string, connection: Connection): Error {
  const own = refusedWithin(error);
  if (own) return own;
  const reason = reasonOf(error);
  const status = PROXY_ANSWER.exec(reason)?.[1];
  if (status === '407') return new RefusedConnection(proxyAnswer(407, url, connection), { cause: error });
  const proxy = UNREACHED.test(reason) ? proxyFor(new URL(url), connection) : undefined;
  if (proxy !== undefined)
    return new Error(`the proxy ${withoutUserinfo(proxy)} cannot be reached: ${reason}`, { cause: error });
  if (reason === PROXY_SILENT)
    return new Error(`the proxy ${withoutUserinfo(proxyFor(new URL(url), connection) ?? '')} ${reason}`, {
      cause: error,
    });
  if (UNTRUSTED.test(reason)) return new RefusedConnection(reason, { cause: error });
  return new Error(status === undefined ? reason : proxyAnswer(Number(status), url, connection), { cause: error });
}

/** What is wrong with the files of this side, which the HTTP client wraps into an error of its own. */
function refusedWithin(error: unknown): RefusedConnection | undefined {
  for (let at = error; at instanceof Error; at = at.cause) if (at instanceof RefusedConnection) return at;
  return undefined;
}

/** No connection at all: with a proxy in between, it is the proxy that has none. */
const UNREACHED = /^(connect|getaddrinfo) E|^Connect Timeout Error/;

/** What the HTTP client says of a proxy that is there, and does not speak. */
export const PROXY_SILENT = 'closes connections without an answer';

/** What undici says of a proxy that opens no tunnel. */
const PROXY_ANSWER = /Proxy (?:response|Authentication Required) \((\d+)\)/;

const UNTRUSTED = /^the server's certificate is not trusted|^the server refuses the client's certificate/;

/** Returns what failed, of an error that a request ended with: undici itself says only "fetch failed". */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  // Of several addresses that were tried, the last error says as much as all of them.
  if (error instanceof AggregateError) return reasonOf(error.errors.at(-1) ?? error.message);
  if (cause instanceof Error) return reasonOf(cause);
  const text = error.message === '' && 'code' in error ? String(error.code) : error.message;
  const code = 'code' in error ? String(error.code) : '';
  // TLS has a word of its own for what a server does not take of its client (RFC 8446, 6.2).
  if (/alert (certificate|bad certificate|unknown ca|unsupported certificate|access denied)/i.test(text))
    return `the server refuses the client's certificate, or lacks one: ${text}`;
  return /CERT|SELF_SIGNED|UNABLE_TO_|ERR_TLS|DEPTH_ZERO/.test(code)
    ? `the server's certificate is not trusted: ${text}`
    : text;
}
