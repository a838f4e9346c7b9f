import { Argument, Command, InvalidArgumentError, Option } from 'commander';
import { didYouMean } from '../base/nearest.ts';
import { VERSION } from '../base/version.ts';
import { type Entry, optionFlag, SECTIONS } from './define.ts';
import { GLOBAL_OPTIONS } from './globals.ts';
import type { ArgumentData, OptionData } from './inputs.ts';

export const DESCRIPTION =
  "Runs an Atomic (rpm-ostree style) distribution's nightly builds: RPM repositories in, OSTree commit and images out.";

/** Called for the command that was asked for, with its values by the names of its definition. */
type Start = (entry: Entry, values: Readonly<Record<string, unknown>>) => Promise<void>;

/** Makes the parser of the command line out of the definitions. Faults of usage are thrown as CommanderError. */
export function createProgram(entries: readonly Entry[], start: Start): Command {
  const program = new Command('atomic-nightly').description(DESCRIPTION).version(VERSION);
  for (const [name, data] of Object.entries(GLOBAL_OPTIONS)) program.addOption(optionOf(name, data));
  program
    // The heading of the parser's own "help".
    .commandsGroup('Help:')
    .showHelpAfterError('(add --help for the commands and options)')
    .configureHelp({ showGlobalOptions: true })
    .exitOverride();
  const parents = new Map<string, Command>([['', program]]);
  for (const entry of inHelpOrder(entries)) {
    const [last = '', ...before] = entry.name.split(' ').reverse();
    const parent = parents.get(before.reverse().join(' '));
    if (parent) parents.set(entry.name, addCommand(parent, last, entry, start));
  }
  return program;
}

/** Sorts by section and name; a group stands before its commands. */
export function inHelpOrder(entries: readonly Entry[]): Entry[] {
  const section = (entry: Entry): number => (entry.section === undefined ? -1 : SECTIONS.indexOf(entry.section));
  const depth = (entry: Entry): number => entry.name.split(' ').length;
  return entries.toSorted(
    (a, b) => depth(a) - depth(b) || section(a) - section(b) || (a.name < b.name ? -1 : Number(a.name > b.name)),
  );
}

function addCommand(parent: Command, word: string, entry: Entry, start: Start): Command {
  const command = parent.command(word, { hidden: entry.hidden === true }).description(entry.summary);
  if (entry.section !== undefined) command.helpGroup(`${entry.section}:`);
  if (entry.usage !== undefined) command.usage(entry.usage);
  for (const data of Object.values(entry.arguments)) command.addArgument(argumentOf(data));
  for (const [name, data] of Object.entries(entry.options)) command.addOption(optionOf(name, data));
  const [about, examples] = [aboutText(entry), examplesText(entry)];
  if (about + examples !== '') {
    command.addHelpText('after', ({ error }) => {
      const parts = [command.createHelp().boxWrap(about, helpWidth(command, error)), examples];
      return `\n${parts.filter((part) => part !== '').join('\n\n')}`;
    });
  }
  // Without a handler the parser prints the help of the word.
  if (!entry.isGroup) command.action(() => start(entry, valuesOf(entry, command)));
  return command;
}

/** Returns the command's values by name, each as its kind promises. */
function valuesOf(entry: Entry, command: Command): Record<string, unknown> {
  const values = Object.keys(entry.arguments).map((name, index) => [name, command.processedArgs[index]]);
  const options = Object.entries(entry.options).map(([name, { kind }]) => [
    name,
    givenValue(command, name) ?? EMPTY[kind],
  ]);
  return Object.fromEntries([...values, ...options]);
}

/**
 * Returns the value of an option. The parser gives one that the command above has as well to that one, wherever it stands:
 * `builders check NAME --json` sets the `--json` of `builders`.
 */
function givenValue(command: Command, name: string): unknown {
  const { parent } = command;
  const isAbove = parent?.parent && parent.getOptionValueSource(name) === 'cli';
  return isAbove ? parent.getOptionValue(name) : command.getOptionValue(name);
}

/** The value of an option that is not given and has no default. */
const EMPTY: Readonly<Partial<Record<OptionData['kind'], unknown>>> = { flag: false, words: [] };

function optionOf(name: string, data: OptionData): Option {
  const { value, help, short, env, required, choices } = data;
  const flags = `${short === undefined ? '' : `-${short}, `}${optionFlag(name, data)}`;
  const placeholder = value === undefined ? '' : ` <${value}${data.kind === 'words' ? '...' : ''}>`;
  const option = new Option(`${flags}${placeholder}`, help);
  if (data.default !== undefined) option.default(data.default);
  if (env !== undefined) option.env(env);
  if (required === true) option.makeOptionMandatory();
  if (choices) option.choices(choices).argParser((word) => chosen(word, choices));
  if (data.kind === 'list') option.argParser((word) => word.split(','));
  if (data.kind === 'number') option.argParser(wholeNumber);
  return option;
}

function argumentOf({ kind, value, help, choices, default: byDefault }: ArgumentData): Argument {
  const brackets = { required: `<${value}>`, optional: `[${value}]`, rest: `[${value}...]` };
  const argument = new Argument(brackets[kind], help);
  if (byDefault !== undefined) argument.default(byDefault);
  if (choices) argument.choices(choices).argParser((word) => chosen(word, choices));
  return argument;
}

function chosen(word: string, choices: readonly string[]): string {
  if (choices.includes(word)) return word;
  throw new InvalidArgumentError(`Allowed choices are ${choices.join(', ')}.${didYouMean(word, choices)}`);
}

function wholeNumber(word: string): number {
  if (/^\d+$/.test(word)) return Number(word);
  throw new InvalidArgumentError('It must be a whole number.');
}

/** Returns the width that the parser gives to its own part of the help, in columns. */
function helpWidth(command: Command, isError: boolean): number {
  const { getErrHelpWidth, getOutHelpWidth } = command.configureOutput();
  return (isError ? getErrHelpWidth?.() : getOutHelpWidth?.()) ?? 80;
}

/** Exit codes and notes of a command in a paragraph. */
function aboutText({ exitCodes, notes }: Entry): string {
  const codes = Object.entries(exitCodes ?? {}).map(([code, meaning]) => `${code} ${meaning}`);
  const sentence = codes.length === 0 ? '' : `Exit codes: ${codes.join(', ')}.`;
  return [sentence, notes].filter((part) => part).join(' ');
}

function examplesText({ examples }: Entry): string {
  if (examples.length === 0) return '';
  const lines = examples.flatMap((example) => example.split('\n')).map((line) => `  ${line}`);
  return [examples.length === 1 ? 'Example:' : 'Examples:', ...lines].join('\n');
}
