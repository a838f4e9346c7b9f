import { type Entry, optionFlag } from '../define.ts';
import { GLOBAL_OPTIONS } from '../globals.ts';
import type { ArgumentData, Completes, OptionData } from '../inputs.ts';

/** An option as shell completion describes it. */
export interface CompletedOption {
  /** Long form first. */
  readonly flags: readonly string[];
  readonly data: OptionData;
}

/**
 * The kinds of names that the program is asked for while somebody types: it reads the configuration and the work
 * folder.
 */
export const ASKED = ['build', 'stream', 'target', 'sink', 'tag'] as const;

const HELP: CompletedOption = { flags: ['--help', '-h'], data: { kind: 'flag', help: 'display help for command' } };
const VERSION: CompletedOption = {
  flags: ['--version', '-V'],
  data: { kind: 'flag', help: 'output the version number' },
};

/** The options that every command takes. */
export const EVERYWHERE: readonly CompletedOption[] = [...completedOptions(GLOBAL_OPTIONS), HELP, VERSION];

/** Options as shell completion describes them. */
export function completedOptions(options: Entry['options']): CompletedOption[] {
  return Object.entries(options).map(([name, data]) => ({
    flags: [optionFlag(name, data), ...(data.short === undefined ? [] : [`-${data.short}`])],
    data,
  }));
}

/** Whether a word follows the option. */
export function takesValue({ kind }: OptionData): boolean {
  return kind !== 'flag' && kind !== 'negation';
}

/** The commands that come next after these words: the last word of each, and its summary. */
export function wordsBelow(entries: readonly Entry[], name: string): { word: string; summary: string }[] {
  const before = name === '' ? [] : name.split(' ');
  return entries.flatMap((entry) => {
    const words = entry.name.split(' ');
    const [word] = words.slice(-1);
    const isBelow = words.slice(0, -1).join(' ') === before.join(' ');
    return word !== undefined && isBelow && entry.hidden !== true ? [{ word, summary: entry.summary }] : [];
  });
}

/** Whether commands come below a word, which may be a command itself. */
export function beginsOthers(entries: readonly Entry[], name: string): boolean {
  return wordsBelow(entries, name).length > 0;
}

/** Words that begin other commands, in the order of the commands. */
export function groupNames(entries: readonly Entry[]): string[] {
  return entries.flatMap(({ name }) => (beginsOthers(entries, name) ? [name] : []));
}

/** What a shell can offer for a value: words, files, folders, names to ask the program for; undefined for free text. */
export function offered({
  choices,
  completes,
}: Pick<OptionData | ArgumentData, 'choices' | 'completes'>): { words: readonly string[] } | Completes | undefined {
  return choices ? { words: choices } : completes;
}
