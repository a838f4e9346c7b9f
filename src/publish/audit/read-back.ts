import { inParallel } from '../../base/parallel.ts';
import type { Task } from '../../base/task.ts';
import type { PublicFiles } from '../verify/public-http.ts';
import type { Finding } from './audit-findings.ts';
import type { Digest } from './audit-ledger.ts';

/** What was read of the files. */
export interface FilesRead {
  readonly files: number;
  readonly bytes: number;
}

/** Files read side by side. */
const PARALLEL = 4;

interface Listener {
  found(finding: Finding): void;
  /** The file is there, whatever is in it. */
  there(path: string): void;
  /** The file is not there. */
  gone(path: string): void;
  /** The file has bytes that it had before. */
  old(path: string): void;
}

/** Reads files whole, as streams, and compares them with what a log has of each: the last digest, or one before it. */
export async function readBack(
  files: PublicFiles,
  due: readonly { readonly path: string; readonly digests: readonly Digest[] }[],
  { found, there, gone, old }: Listener,
  task: Task,
): Promise<FilesRead> {
  let [done, bytes] = [0, 0];
  await inParallel(due, { atATime: PARALLEL, signal: task.signal }, async ({ path, digests }) => {
    const is = await files.digest(path, () => undefined);
    const last = digests.at(-1);
    done += 1;
    bytes += is?.bytes ?? 0;
    task.progress(done, due.length, 'files');
    if (is) there(path);
    if (!is) gone(path);
    else if (last && is.sha256 === last.sha256 && is.bytes === last.size) return;
    else if (digests.some((one) => one.sha256 === is.sha256)) old(path);
    else {
      const why = `it has SHA-256 ${is.sha256} and ${is.bytes} bytes; the log says ${last?.sha256} and ${last?.size}`;
      found({ kind: 'changed', what: path, why });
    }
  });
  return { files: done, bytes };
}
