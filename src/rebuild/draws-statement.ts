import { statementBytes } from '../attest/statement.ts';
import type { DrawDay } from './draw-secrets.ts';

/**
 * Returns the in-toto statement of what may be known of draws: for each day the SHA-256 of its secret, and the secret once the day is
 * over. Whoever keeps an earlier one can tell whether a commitment was changed later.
 * @param at seconds since 1970
 */
export function drawsStatement(days: readonly DrawDay[], at: number): Buffer {
  const subjects = days.map(({ day, commitment }) => ({ name: `draws/${day}`, digest: { sha256: commitment } }));
  return statementBytes(subjects, 'urn:atomic-nightly:draws:1', {
    at: new Date(at * 1000).toISOString(),
    days: days.map(({ day, commitment, madeAt, secret }) => {
      return { day, commitment, madeAt: new Date(madeAt * 1000).toISOString(), secret };
    }),
  });
}
