import { swap64 } from '../../src/ostree/gvariant.ts';

/**
 * Seconds since the epoch as `ostree commit --add-metadata` has to be given them: it writes numbers in the machine's byte
 * order, and whatever is in a commit is big-endian.
 */
export function gvariantTime(seconds: number): string {
  return `uint64 ${swap64(BigInt(seconds))}`;
}
