import { createHmac } from 'node:crypto';
import type { RebuildResult } from './result.ts';
import { resultDigest } from './result-store.ts';

/** Bits of a code that are compared with the rate: as many as a number holds exactly, with room to spare. */
const BITS = 48;

/**
 * Decides whether another operator has to build the same as a result, once the builder has signed what it built: the HMAC-SHA256
 * of job and digest under the secret of the day, as a fraction of 1, is below the rate. Without the secret nobody can tell, and
 * with it everybody can verify it.
 * @param rate from 0, never, to 1, always
 * @param secret 32 bytes
 */
export function decideDuplicate(
  result: Pick<RebuildResult, 'job' | 'packages'>,
  rate: number,
  secret: Uint8Array,
): boolean {
  // Both are of one length: no two pairs give the same text.
  const code = createHmac('sha256', secret)
    .update(`${result.job}${resultDigest(result)}`)
    .digest();
  return code.readUIntBE(0, BITS / 8) / 2 ** BITS < rate;
}

/** Returns the UTC day of a moment, as in `2026-11-29`. @param at seconds since 1970 */
export const dayAt = (at: number): string => new Date(at * 1000).toISOString().slice(0, 10);
