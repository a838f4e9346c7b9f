import { formatSeconds } from '../base/format.ts';
import { gistOf, oneLine } from '../base/one-line.ts';
import { type Tone, toned } from '../base/tone.ts';
import type { JournalEntry } from '../build/journal.ts';
import { outcomeOf } from '../build/outcomes.ts';

/** Returns an entry of a journal as a line for people: `2026-11-30 01:05:09  done    compose (42 s)`. */
export function entryText(entry: JournalEntry): string {
  const at = entry.at.slice(0, 19).replace('T', ' ');
  const line = (word: string, tone: Tone, text: string) =>
    `${at}  ${toned(tone, word)}${' '.repeat(6 - word.length)}  ${oneLine(text)}`;
  switch (entry.event) {
    case 'start':
      return line('start', 'busy', entry.step);
    case 'done':
      return line('done', 'good', `${entry.step} (${formatSeconds(entry.seconds)})`);
    case 'failed':
      return line('failed', 'bad', `${entry.step} (${formatSeconds(entry.seconds)}): ${gistOf(entry.message)}`);
    case 'end':
      return line('end', outcomeOf(entry.state)?.tone ?? 'idle', outcomeOf(entry.state)?.label ?? entry.state);
  }
}

/** Returns the entries without the beginning of each step whose end is there too: its duration says as much. Others were killed. */
export function withoutBeginnings(entries: readonly JournalEntry[]): JournalEntry[] {
  const ended = new Set<JournalEntry>();
  const begun = new Map<string, JournalEntry>();
  for (const entry of entries) {
    if (entry.event === 'start') begun.set(entry.step, entry);
    else if (entry.event !== 'end') {
      const start = begun.get(entry.step);
      if (start) ended.add(start);
    }
  }
  return entries.filter((entry) => !ended.has(entry));
}

/** Returns the steps that have begun and not ended, each with the entry of its beginning. */
export function stepsUnderWay(entries: readonly JournalEntry[]): Map<string, JournalEntry> {
  const open = new Map<string, JournalEntry>();
  for (const entry of entries) {
    if (entry.event === 'start') open.set(entry.step, entry);
    else if (entry.event === 'end') open.clear();
    else open.delete(entry.step);
  }
  return open;
}
