import { readFileSync } from 'node:fs';
import { CommanderError } from 'commander';
import { type Entry, optionFlag } from '../../src/cli/define.ts';
import { createProgram } from '../../src/cli/program.ts';

/** The definitions as they were built; test/support/global-setup.ts sees to it that they are up to date. */
export function builtEntries(): readonly Entry[] {
  return JSON.parse(readFileSync(new URL('../../dist/cli/catalog.json', import.meta.url), 'utf8'));
}

/** What a command line does: the command it names with its values, or what is printed before the program ends. */
export interface Parsed {
  readonly command?: string;
  readonly values?: Readonly<Record<string, unknown>>;
  readonly globals: Readonly<Record<string, unknown>>;
  readonly printed: string;
  /** Of a command line that is refused, or answered by the parser. */
  readonly code?: string;
}

/** Parses a command line without running what it names. */
export async function parse(...words: readonly string[]): Promise<Parsed> {
  let printed = '';
  let found: Pick<Parsed, 'command' | 'values'> = {};
  const program = createProgram(builtEntries(), async (entry, values) => {
    found = { command: entry.name, values };
  });
  const write = (text: string): void => {
    printed += text;
  };
  const all = [program, ...program.commands, ...program.commands.flatMap((one) => one.commands)];
  for (const one of all) one.configureOutput({ writeOut: write, writeErr: write });
  try {
    await program.parseAsync(words, { from: 'user' });
    return { ...found, globals: program.opts(), printed };
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return { globals: program.opts(), printed, code: error.code };
  }
}

/** `--id-file`, `--no-updates` … of a command. */
export function flagsOf({ options }: Entry): string[] {
  return Object.entries(options).map(([name, data]) => optionFlag(name, data));
}
