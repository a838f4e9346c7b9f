import { appendFile, mkdir, open, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { SentLog } from '../targets/target.ts';
import { readTextIfExists } from '../tools/files.ts';

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
  const text = (await readTextIfExists(file)) ?? '';
  const known = new Set(text.split('\n'));
  await mkdir(dirname(file), { recursive: true });
  if (text !== '' && !text.endsWith('\n')) await appendFile(file, '\n');
  return {
    has: (path) => known.has(path),
    async add(paths) {
      for (const path of paths) known.add(path);
      const log = await open(file, 'a');
      await log.writeFile(paths.map((path) => `${path}\n`).join('')).finally(() => log.close());
    },
    async clear() {
      known.clear();
      await rm(file, { force: true });
    },
  };
}
