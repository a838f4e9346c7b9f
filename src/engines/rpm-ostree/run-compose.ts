import type { Task } from '../../base/task.ts';
import { composeTree, type RpmOstree } from '../../programs/rpm-ostree.ts';
import { composeFailure } from './failures.ts';
import { beginRun, type ComposePlaces, clean, endRun } from './leftovers.ts';
import { readTranscript, type Transcript } from './output.ts';

/** Called with the transaction once it is printed, before anything is downloaded; a throw ends the run. */
export type TransactionCheck = (soFar: Transcript) => void;

/**
 * Runs `compose tree` once, reports its progress, and reads what it printed.
 * @throws NightlyError by what rpm-ostree said, or what `check` threw.
 */
export async function runCompose(
  rpmOstree: RpmOstree,
  args: readonly string[],
  how: { readonly env: Readonly<Record<string, string>>; readonly cwd: string },
  places: ComposePlaces,
  task: Task,
  check: TransactionCheck = () => undefined,
): Promise<Transcript> {
  const reader = readTranscript();
  const stop = new AbortController();
  let refused: { readonly reason: unknown } | undefined;
  const onLine = (line: string, stream: 'stdout' | 'stderr'): void => {
    if (stream === 'stderr') return;
    reader.line(line);
    if (MILESTONE.test(line)) task.say(line);
    if (!refused && line.startsWith('Input state hash:')) {
      try {
        check(reader.transcript());
      } catch (reason) {
        refused = { reason };
        stop.abort(reason);
      }
    }
  };
  const stoppable: Task = {
    ...task,
    signal: AbortSignal.any([task.signal, stop.signal]),
    say: (line) => task.say(line),
    progress: (done, total, unit) => task.progress(done, total, unit),
  };
  await beginRun(places);
  const result = await composeTree(rpmOstree, args, how, onLine, stoppable);
  // After an abort the ledger stays, for the next try to clean up by. One that a signal ended cannot have cleaned up:
  // that is done at once, or its FUSE mounts would stay until somebody tries again.
  if (result.exitCode > 128) await clean(places, task);
  else await endRun(places);
  if (refused) throw refused.reason;
  if (result.exitCode !== 0) throw composeFailure(result.exitCode, result.stderr, task);
  return reader.transcript();
}

/** Lines worth showing to a person who waits. */
const MILESTONE =
  /^(Previous commit: |No previous commit |Installing \d+ packages?:|Will download: |Importing|Checking out|Running (pre|post)|Generating initramfs|Committing|Writing|Wrote commit)/;
