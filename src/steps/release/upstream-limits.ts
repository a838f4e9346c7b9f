import { NightlyError } from '../../base/errors.ts';
import { formatCount } from '../../base/format.ts';
import { sourceText, type UpstreamRecord } from '../../build/upstream-record.ts';
import type { UpstreamConfig } from '../../config/config.ts';
import { otherVersionText } from '../../rpm/upstream-distance.ts';

/**
 * Refuses a release that is too far from upstream, naming the packages.
 * @throws NightlyError `gate-failed`
 */
export function refuseTooFar(record: UpstreamRecord, { maxMissing, maxOlder }: UpstreamConfig): void {
  const over = [
    ...overLimit('missing', record.missing, maxMissing),
    ...overLimit('older than upstream', record.older.map(otherVersionText), maxOlder),
  ];
  if (over.length === 0) return;
  throw new NightlyError(
    'gate-failed',
    `Build ${record.build} is too far from upstream (${sourceText(record)}):\n${over.join('\n')}`,
    {
      hint: 'Promote a nightly build that has them; or raise max-missing and max-older in cycle.upstream, or name what is rightly so under ignore.',
    },
  );
}

function overLimit(what: string, packages: readonly string[], limit: number | undefined): string[] {
  if (limit === undefined || packages.length <= limit) return [];
  return [
    `${formatCount(packages.length, 'package is', 'packages are')} ${what}, and at most ${limit} may be:`,
    ...packages.map((one) => `  ${one}`),
  ];
}
