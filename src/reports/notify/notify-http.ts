import pRetry, { AbortError } from 'p-retry';
import { reasonOf } from '../../base/connection-faults.ts';
import { NightlyError } from '../../base/errors.ts';
import { httpFetch } from '../../base/http.ts';
import { deliveryError, notTaken } from './sink.ts';

/** Further tries of a request, after 0.5 and 1 s. */
const RETRIES = 2;
const FIRST_WAIT_MS = 500;

/** One try. */
const LIMIT_MS = 8000;

/** How much of an answer is quoted in a message. */
const ANSWER_LENGTH = 200;

export interface Ask {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT';
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Status codes that are good although they say otherwise. */
  readonly ok?: (status: number) => boolean;
  /** The beginning of messages about it, where it sends no event. */
  readonly failed?: string;
}

/**
 * Makes a request, again after network faults, 429 and 5xx. Redirections are not followed: what is sent is for that
 * address alone. Messages name the server, not the whole URL, for that may be a secret.
 * @returns the answer's text
 * @throws NightlyError `notify`; 400, 413 and 422 are a refusal for good.
 */
export async function ask(what: Ask, signal: AbortSignal): Promise<string> {
  const { url, method, headers = {}, body, ok = () => false } = what;
  const failed = what.failed ?? notTaken(new URL(url).origin);
  const once = async (): Promise<string> => {
    const response = await httpFetch(url, {
      method,
      headers,
      redirect: 'manual',
      signal: AbortSignal.any([signal, AbortSignal.timeout(LIMIT_MS)]),
      ...(body === undefined ? {} : { body }),
    }).catch((error: unknown) => {
      signal.throwIfAborted();
      throw deliveryError(failed, whyOf(error), error);
    });
    const { status } = response;
    const text = await response.text().catch(() => '');
    if (response.ok || ok(status)) return text;
    const refused = [400, 413, 422].includes(status);
    const fault = deliveryError(
      failed,
      `it answers ${status} ${text.slice(0, ANSWER_LENGTH)}`.trim(),
      undefined,
      refused,
    );
    if (status >= 500 || status === 429) throw fault;
    throw new AbortError(fault);
  };
  try {
    return await pRetry(once, { retries: RETRIES, minTimeout: FIRST_WAIT_MS, signal });
  } catch (error) {
    throw error instanceof NightlyError ? error : deliveryError(failed, whyOf(error), error);
  }
}

function whyOf(error: unknown): string {
  if (error instanceof Error && error.name === 'TimeoutError') return `it did not answer within ${LIMIT_MS / 1000} s`;
  return reasonOf(error);
}
