import { appendFile, open, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ifThere, makeFolder, sha256 } from '../base/files.ts';
import { checksumSet } from '../ostree/checksums.ts';
import type { SentLog } from '../targets/target.ts';

/** A `SentLog` in a file. */
export interface SentFile extends SentLog {
  /** Forgets everything: the publish is done, or what it sent may be gone. */
  clear(): Promise<void>;
}

/**
 * Opens the file in which a publish notes what arrived: one path a line. A line that a kill cut short is not a path of
 * the plan and so means nothing. Losing the last lines only costs sending them again, so nothing is synced.
 */
export async function openSentLog(file: string): Promise<SentFile> {
  // By their digests: a million paths as text would take four times the memory.
  let known = checksumSet();
  const earlier = await ifThere(open(file));
  if (earlier) {
    for await (const line of earlier.readLines()) known.add(sha256(line));
    await appendFile(file, '\n');
  }
  await makeFolder(dirname(file));
  return {
    has: (path) => known.size > 0 && known.has(sha256(path)),
    async add(paths) {
      const log = await open(file, 'a');
      await log.writeFile(paths.map((path) => `${path}\n`).join('')).finally(() => log.close());
    },
    async clear() {
      known = checksumSet();
      await rm(file, { force: true });
    },
  };
}
