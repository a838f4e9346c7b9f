import type { BuildMeta } from '../build/build-record.ts';
import type { FoundUpdates } from '../pipelines/find-updates.ts';
import type { NewerPackage } from '../rpm/updates.ts';

type Fact = readonly [string, string | undefined];

/** Returns what a promotion's record says beside that of any build. */
export function promotionFacts(meta: BuildMeta): Fact[] {
  const promotion = meta.promotion;
  if (!promotion) return [];
  const { of, attempt, recommit, reason, overrides, excludes, upstream, supersedes } = promotion;
  const accepted = promotion.differencesAccepted;
  const list = (items: readonly string[]): string | undefined => (items.length === 0 ? undefined : items.join(', '));
  const approvals = (meta.approvals ?? []).map(
    ({ by, at, note }) => `${by} (${at}${note === undefined ? '' : `: ${note}`})`,
  );
  const released = meta.release;
  return [
    ['Night', `${of}, attempt ${attempt}${recommit ? ', its own tree' : ', rebuilt'}`],
    ['Reason', reason],
    ['Upstream', upstream],
    ['Overrides', list(overrides)],
    ['Without', list(excludes)],
    ['Accepted', accepted && `${accepted.count} differences from the nightly build`],
    ['Approved', list(approvals)],
    ['Released', released && `${released.at}${released.withdrawn ? `, withdrawn ${released.withdrawn.at}` : ''}`],
    ['Replaces', list(supersedes)],
    ['Superseded', meta.supersededBy && `by ${meta.supersededBy}`],
  ];
}

/** Whether there are security updates since, and how that is known. */
export function updateLines(found: FoundUpdates): string[] {
  if ('unknown' in found) return [`Security updates since: not known: ${found.unknown}`];
  const { advisories, newer, withUpdateinfo, withoutUpdateinfo } = found;
  const lines: string[] = [];
  if (withUpdateinfo.length > 0) {
    lines.push(
      `Security updates since, by updateinfo of ${withUpdateinfo.join(', ')}:${advisories.length === 0 ? ' none' : ''}`,
    );
    for (const { id, severity, title, cves, packages } of advisories) {
      const about = [severity, title, cves.join(' ')].filter((part) => part !== undefined && part !== '').join(', ');
      lines.push(`  ${id}${about === '' ? '' : `: ${about}`}`, ...packages.map((one) => `  ${newerLine(one)}`));
    }
  }
  if (withoutUpdateinfo.length > 0) {
    const where = `${withoutUpdateinfo.join(', ')} (no updateinfo there, so any may be a security update)`;
    lines.push(`Newer packages since, in ${where}:${newer.length === 0 ? ' none' : ''}`, ...newer.map(newerLine));
  }
  return lines;
}

const newerLine = ({ name, from, to }: NewerPackage): string => `  ${name} ${from} -> ${to}`;
