import type { BuildMeta } from '../build/build-record.ts';
import { byUrgency, type FixedAdvisory, summarizeAdvisories } from '../rpm/fixed-advisories.ts';

/** Returns what is printed of the advisories of a build: nothing where no repository has updateinfo. */
export function advisoryLines({
  advisories,
  advisoriesUnread = [],
}: Pick<BuildMeta, 'advisories' | 'advisoriesUnread'>): string[] {
  if (advisories === undefined) return [];
  return [
    `Advisories: ${summarizeAdvisories(advisories) ?? 'none is about what changed'}`,
    ...byUrgency(advisories).flatMap(linesOf),
    ...advisoriesUnread.map((id) => `  not known: those of repository "${id}", whose updateinfo could not be read`),
  ];
}

function linesOf({ id, type, severity, title, cves, packages }: FixedAdvisory): string[] {
  const about = [severity, title, cves.join(' ')].filter((part) => part !== undefined && part !== '').join(', ');
  const names = packages.map(({ name, to }) => `${name} ${to}`).join(', ');
  return [`  ${id} (${type})${about === '' ? '' : `: ${about}`}`, `    ${names}`];
}
