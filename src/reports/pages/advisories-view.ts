import type { BuildMeta } from '../../build/build-record.ts';
import { byUrgency, summarizeAdvisories } from '../../rpm/fixed-advisories.ts';

/** Advisories as pages show them: the values of the template's part `advisories`. */
export interface AdvisoriesView {
  /** How many there are, as in `security: 3 important; bugfix: 2`; empty where there is none. */
  readonly summary: string;
  /** Repositories whose advisories are not known. */
  readonly unread: string;
  /** The most urgent first. */
  readonly list: readonly {
    readonly id: string;
    readonly type: string;
    readonly severity: string;
    readonly title: string;
    readonly cves: readonly { readonly id: string; readonly href: string }[];
    readonly packages: readonly { readonly name: string; readonly from: string; readonly to: string }[];
  }[];
}

/** Returns what the changes fix; false where nobody knows, since no repository has updateinfo. */
export function advisoriesView(known: Pick<BuildMeta, 'advisories' | 'advisoriesUnread'>): AdvisoriesView | false {
  const { advisories, advisoriesUnread = [] } = known;
  if (advisories === undefined) return false;
  return {
    summary: summarizeAdvisories(advisories) ?? '',
    unread: advisoriesUnread.join(', '),
    list: byUrgency(advisories).map(({ id, type, severity = '', title, cves, packages }) => ({
      ...{ id, type, severity, title, packages },
      cves: cves.map((cve) => ({ id: cve, href: cveHref(cve) })),
    })),
  };
}

/** Where everybody can read about a CVE; empty for a reference that is none. */
const cveHref = (id: string): string => (/^CVE-\d{4}-\d{4,}$/.test(id) ? `https://www.cve.org/CVERecord?id=${id}` : '');
