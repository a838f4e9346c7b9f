import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { ifThere, writeFileAtomic } from '../../base/files.ts';
import { redact } from '../../base/redact.ts';
import type { BuildEvent } from './event.ts';

/**
 * Events that wait to be sent: `work/notify/SINK/TIME-NUMBER-ID.json`, a file each, in the order of their names. It is
 * written before anything is sent and removed when the other side has it, so that a run that is killed or meets a server
 * that is down leaves it to the next one. Only a holder of the run lock writes here.
 */
export interface Outbox {
  add(event: BuildEvent): Promise<void>;
  /** Oldest first. Those too old or too many are dropped. */
  waiting(): Promise<readonly Waiting[]>;
}

export interface Waiting {
  readonly event: BuildEvent;
  /** It has been sent, or never will be. */
  remove(): Promise<void>;
}

/** So many events are kept for a sink, the newest. */
const MOST_KEPT = 100;
/** And for so long: what happened before that is news to nobody. */
const LONGEST_KEPT_MS = 7 * 86_400_000;

/** Returns the outbox of one sink. */
export function openOutbox(workDir: string, sink: string): Outbox {
  const folder = join(outboxFolder(workDir), sink);
  let count = 0;
  return {
    async add(event) {
      count += 1;
      const name = `${String(Date.parse(event.at)).padStart(15, '0')}-${String(count).padStart(3, '0')}-${event.id}.json`;
      await mkdir(folder, { recursive: true });
      await writeFileAtomic(join(folder, name), `${redact(JSON.stringify(event))}\n`);
    },
    async waiting() {
      const names = ((await ifThere(readdir(folder))) ?? []).filter((name) => name.endsWith('.json')).sort();
      const oldest = Date.now() - LONGEST_KEPT_MS;
      const kept = names.slice(-MOST_KEPT).filter((name) => Number.parseInt(name, 10) >= oldest);
      for (const name of names) if (!kept.includes(name)) await rm(join(folder, name));
      return Promise.all(
        kept.map(async (name): Promise<Waiting> => {
          const path = join(folder, name);
          const event = JSON.parse(await readFile(path, 'utf8')) as BuildEvent;
          return { event, remove: () => rm(path, { force: true }) };
        }),
      );
    },
  };
}

/** Drops what is too old in every outbox, also those of sinks that are not configured any more. */
export async function forgetOld(workDir: string): Promise<void> {
  const entries = (await ifThere(readdir(outboxFolder(workDir), { withFileTypes: true }))) ?? [];
  for (const entry of entries) if (entry.isDirectory()) await openOutbox(workDir, entry.name).waiting();
}

/** Folder of all outboxes. */
export const outboxFolder = (workDir: string): string => join(workDir, 'notify');
