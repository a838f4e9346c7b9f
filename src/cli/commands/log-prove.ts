import { NightlyError } from '../../base/errors.ts';
import { writeFileAtomic } from '../../base/files.ts';
import { quietTask } from '../../base/task.ts';
import { isChecksum } from '../../ostree/objects.ts';
import { openLog, readLogHead } from '../../publish/log/log-files.ts';
import { findEntry, proofOf } from '../../publish/log/log-proofs.ts';
import { openReleaseLog } from '../../publish/log/release-log.ts';
import { defineCommand } from '../define.ts';
import { needed, text } from '../inputs.ts';
import { loadLoggedConfig } from '../open-log.ts';

export const logProve = defineCommand({
  name: 'log prove',
  summary: 'print the proof that the release log names a published file or a commit',
  arguments: { path: needed('PATH', "path on the target, as in builds/ID/ARCH/images/NAME; or a commit's checksum") },
  options: { out: text('FILE', 'write it there (NAME.tlog-proof) instead of printing it', { completes: 'file' }) },
  examples: ['atomic-nightly log prove builds/20261121_01/x86_64/SHA256SUMS --out SHA256SUMS.tlog-proof'],
  interruptible: true,
  async run({ path, out }, { config: file, signal, print }) {
    const config = await loadLoggedConfig(file);
    const log = await openReleaseLog(config);
    const task = quietTask(undefined, signal);
    const head = await readLogHead(log.home, { log: log.key }, task);
    const tree = await openLog(log.home, head, task);
    const found = await findEntry(tree, isChecksum(path) ? { commit: path } : { path });
    if (found === undefined) {
      throw new NightlyError('not-found', `No entry of the log names ${path}.`, {
        hint: 'Give the path of a published file relative to the target, or the 64 hex digits of a commit; "atomic-nightly log show" lists entries.',
      });
    }
    const proof = await proofOf(tree, head, found.index);
    if (out === undefined) print(proof.trimEnd());
    else await writeFileAtomic(out, proof);
    return 0;
  },
});
