import type { NightlyError } from '../../base/errors.ts';
import { type LogEntry, parseEntry } from '../../published/log-entry.ts';

/**
 * Returns where entries hold the parts of one, one behind another, with nothing behind them that says something newer of the same
 * thing; undefined when it has to be added. So a run that is repeated adds nothing, and a change that is taken back does.
 */
export function placeOfRun(entries: readonly Buffer[], parts: readonly Buffer[]): number | undefined {
  for (let at = entries.length - parts.length; at >= 0; at -= 1) {
    if (!parts.every((part, index) => entries[at + index]?.equals(part))) continue;
    const subject = subjectOf(parts[0]);
    const later = entries.slice(at + parts.length);
    return later.some((entry) => subject !== undefined && subjectOf(entry) === subject) ? undefined : at;
  }
  return undefined;
}

/** What an entry is about; undefined for one that no other replaces, and of others' formats. */
function subjectOf(bytes: Buffer | undefined): string | undefined {
  const entry = bytes && readable(bytes);
  if (!entry) return undefined;
  switch (entry.kind) {
    case 'ref':
      return `ref ${entry.ref}`;
    case 'build':
    case 'build-changed':
      return `build ${entry.id}/${entry.arch}`;
    case 'rpms':
      return `rpms ${entry.folder}`;
    case 'key':
      return `key ${entry.use} ${entry.stream ?? ''}`;
    case 'tool':
      return `tool ${entry.file.path}`;
    case 'release':
    case 'withdraw':
      return `release ${entry.stream}`;
    case 'prune':
      return undefined;
  }
}

/** One that cannot be read is somebody else's mistake, and replaces nothing. */
function readable(bytes: Buffer): LogEntry | undefined {
  try {
    return parseEntry(bytes, { file: 'log' });
  } catch (error) {
    if ((error as Partial<NightlyError>).code !== 'log') throw error;
    return undefined;
  }
}
