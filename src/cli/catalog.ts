import { existsSync, readFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { codeFile } from '../base/shipped.ts';
import type { Context } from './context.ts';
import { type Command, type Entry, isDefined } from './define.ts';

/**
 * The definitions of all commands as plain JSON, made by write-catalog.ts when the program is built. A command's file
 * imports all that its handler needs, and to import every file takes a second; --help and the parser need none of them.
 */
export const BUILT_CATALOG = codeFile('cli/catalog.json');

/** Returns the definitions of all commands: as they were built or, where nothing is built, out of their files. */
export async function readCatalog(): Promise<readonly Entry[]> {
  if (!existsSync(BUILT_CATALOG)) return loadEntries(codeFile('cli/commands'));
  return JSON.parse(readFileSync(BUILT_CATALOG, 'utf8'));
}

/** Loads the file of every command that has one in a folder. */
export async function loadEntries(folder: string): Promise<Entry[]> {
  const names = (await readdir(folder)).flatMap((name) => /^([a-z-]+)\.[jt]s$/.exec(name)?.[1] ?? []);
  return Promise.all(names.map(async (name) => (await loadFile(name)).entry));
}

/** Loads a command with its handler. */
export function loadCommand(name: string): Promise<LoadedCommand> {
  return loadFile(name.replaceAll(' ', '-'));
}

type LoadedCommand = Command<Readonly<Record<string, unknown>>, Context>;

async function loadFile(name: string): Promise<LoadedCommand> {
  const exported: Readonly<Record<string, unknown>> = await import(`./commands/${name}.ts`);
  const [command, ...others] = Object.values(exported).filter(isDefined);
  if (command && others.length === 0 && command.entry.name.replaceAll(' ', '-') === name) return command;
  throw new Error(`commands/${name}.ts must export one command or group, of that name`);
}
