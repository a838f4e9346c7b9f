import { oneLine } from '../../base/one-line.ts';
import { readRecord } from '../../base/read-record.ts';
import { BUILD_INDEX, INDEX_PATH } from '../../published/build-index.ts';
import type { PublicFiles } from '../verify/public-http.ts';
import { listedRefs } from '../verify/verify-summary.ts';
import type { Finding } from './audit-findings.ts';
import type { AuditState, Ledger } from './audit-ledger.ts';

const SUMMARY = 'repo/summary';

/** What a target shows to whoever comes. */
export interface Visible {
  readonly refs: ReadonlyMap<string, string>;
  /** Builds as `ID/ARCH`. */
  readonly builds: ReadonlySet<string>;
}

/**
 * Reads what leads clients to commits and builds: the summary and the index. One that is damaged is found, and hides nothing else
 * (I15): what it had at the last audit is taken for it.
 */
export async function readVisible(
  files: PublicFiles,
  before: AuditState | undefined,
  found: (finding: Finding) => void,
): Promise<Visible> {
  const readable = <Read>(what: string, read: () => Read): Read | undefined => {
    try {
      return read();
    } catch (error) {
      const why = `it cannot be read: ${oneLine(error instanceof Error ? error.message : String(error))}`;
      found({ kind: 'changed', what, why });
      return undefined;
    }
  };
  const [summary, index] = await Promise.all([files.get(SUMMARY), files.get(INDEX_PATH)]);
  const refs = readable(SUMMARY, () => [...(summary ? listedRefs(summary).refs : [])]);
  const builds = readable(INDEX_PATH, () => (index ? readRecord(index, BUILD_INDEX, INDEX_PATH).builds : []));
  return {
    refs: refs ? new Map(refs.map(([ref, { commit }]) => [ref, commit])) : (before?.shown ?? new Map()),
    builds: new Set(
      builds?.flatMap(({ id, arches }) => arches.map((arch) => `${id}/${arch}`)) ?? before?.indexed ?? [],
    ),
  };
}

/** Compares that with what was logged, and with what was visible at the last audit. */
export function compareVisible({ refs, builds }: Visible, ledger: Ledger, state: AuditState | undefined): Finding[] {
  const findings: Finding[] = [];
  const add = (kind: Finding['kind'], what: string, why: string) => findings.push({ kind, what, why });
  for (const [ref, commit] of refs) {
    const logged = ledger.refs.get(ref) ?? [];
    const before = state?.shown.get(ref);
    if (!logged.includes(commit)) add('unlogged', `ref ${ref}`, `its commit ${commit} is not in the log`);
    else if (before !== undefined && logged.lastIndexOf(commit) < logged.lastIndexOf(before))
      add('behind', `ref ${ref}`, `it names ${commit}, which was logged before ${before} that it named`);
  }
  for (const key of builds) if (!ledger.builds.has(key)) add('unlogged', `build ${key}`, 'it is not in the log');
  for (const ref of state?.shown.keys() ?? []) if (!refs.has(ref)) add('missing', `ref ${ref}`, 'it was there');
  for (const key of state?.indexed ?? []) {
    if (!builds.has(key) && ledger.builds.get(key) !== '') add('missing', `build ${key}`, `${INDEX_PATH} named it`);
  }
  return findings;
}
