import { inParallel } from '../../base/parallel.ts';
import type { Task } from '../../base/task.ts';
import { isChecksum, objectPath } from '../../ostree/objects.ts';
import type { PublicFiles } from '../verify/public-http.ts';
import type { Finding } from './audit-findings.ts';
import type { Ledger } from './audit-ledger.ts';

/** Refs read side by side. */
const PARALLEL = 4;
/** Characters that are told of what a file has in the place of a commit. */
const SHOWN = 64;

/**
 * Reads what clients meet behind a summary, or without one: the file of each ref, which must name a commit that was logged for it, and the
 * commits that the summary names, whose names are their digests.
 * @param refs as the summary has them
 */
export async function readRefs(
  files: PublicFiles,
  refs: ReadonlyMap<string, string>,
  ledger: Pick<Ledger, 'refs'>,
  found: (finding: Finding) => void,
  task: Task,
): Promise<void> {
  await inParallel([...refs], { atATime: PARALLEL, signal: task.signal }, async ([ref, commit]) => {
    const [file, object] = [`repo/refs/heads/${ref}`, `repo/${objectPath(commit, 'commit')}`];
    const content = await files.get(file);
    const named = content && Buffer.from(content).toString('latin1').trim();
    if (named === undefined) found({ kind: 'missing', what: file, why: 'the summary names the ref' });
    else if (!isChecksum(named)) {
      found({ kind: 'changed', what: file, why: `it names no commit, but ${JSON.stringify(named.slice(0, SHOWN))}` });
    } else if (!ledger.refs.get(ref)?.includes(named)) {
      found({ kind: 'unlogged', what: file, why: `its commit ${named} is not in the log` });
    }
    const is = await files.digest(object, () => undefined);
    if (!is) found({ kind: 'missing', what: object, why: `the ref ${ref} names it` });
    else if (is.sha256 !== commit) found({ kind: 'changed', what: object, why: `it has SHA-256 ${is.sha256}` });
  });
}
