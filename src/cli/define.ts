import { NightlyError } from '../base/errors.ts';
import type { Context, RunContext } from './context.ts';
import type { Argument, ArgumentData, Option, OptionData, ValueOf } from './inputs.ts';

/** The parts of the list of commands, in its order; within a part commands are in the order of their names. */
export const SECTIONS = [
  'Setting up',
  'Nightly builds',
  'Releases',
  'Content',
  'Rebuilds',
  'Looking at builds',
  'Targets',
  'Service',
  'Help',
] as const;

/** What help, man page and shells know of a command, or of a word that several begin with: plain JSON. */
export interface Entry {
  /** Words after `atomic-nightly`; its file has the same name, with `-` for a space. */
  readonly name: string;
  /** Its section in the list of commands; a command below another word needs none. */
  readonly section?: (typeof SECTIONS)[number];
  /** Imperative, without a full stop. */
  readonly summary: string;
  /** After the name, where what the parser would say misleads. */
  readonly usage?: string;
  /** Arguments in their order on the command line. */
  readonly arguments: Readonly<Record<string, ArgumentData>>;
  /** Keyed by name in camel case: `idFile` is `--id-file`. */
  readonly options: Readonly<Record<string, OptionData>>;
  /** The command's exit codes, where they mean something of its own. */
  readonly exitCodes?: Readonly<Record<number, string>>;
  /** What else there is to know, in sentences. */
  readonly notes?: string;
  /** Whole command lines. */
  readonly examples: readonly string[];
  /** Internal: help, man page and shells leave it out. */
  readonly hidden?: true;
  /** Only begins the names of others; has nothing to run. */
  readonly isGroup: boolean;
}

type Arguments = Readonly<Record<string, Argument<unknown>>>;
type Options = Readonly<Record<string, Option<unknown>>>;

/** The values of a command's arguments and options, with the types of their definitions. */
export type Values<A extends Arguments, O extends Options> = {
  readonly [Name in keyof A]: ValueOf<A[Name]>;
} & { readonly [Name in keyof O]: ValueOf<O[Name]> };

interface Definition<A extends Arguments, O extends Options, Interruptible extends boolean>
  extends Omit<Entry, 'arguments' | 'options' | 'examples' | 'isGroup'> {
  readonly arguments?: A;
  readonly options?: O;
  readonly examples?: readonly string[];
  /** Whether SIGINT and SIGTERM abort `context.signal`; without this they end the program, or the handler takes them. */
  readonly interruptible?: Interruptible;
  /** Does what the command is for. @returns the exit code. */
  run(values: Values<A, O>, context: Interruptible extends true ? RunContext : Context): Promise<number>;
}

/** A command whose handler takes values of these types. */
export interface Command<Given, In extends Context> {
  readonly entry: Entry;
  readonly interruptible: boolean;
  run(values: Given, context: In): Promise<number>;
}

const commands = new WeakSet<object>();

/**
 * Defines a command: its file in `commands/` exports what this returns, and nothing else has to know of it. The handler
 * is given the values by the names of the definition, with their types; the file is loaded only when the command runs.
 */
export function defineCommand<
  const A extends Arguments = Record<never, never>,
  const O extends Options = Record<never, never>,
  const Interruptible extends boolean = false,
>({
  run,
  interruptible,
  ...definition
}: Definition<A, O, Interruptible>): Command<Values<A, O>, Interruptible extends true ? RunContext : Context> {
  const entry = { arguments: {}, options: {}, examples: [], ...definition, isGroup: false };
  const command = { entry, interruptible: interruptible === true, run };
  commands.add(command);
  return command;
}

/** Defines the word that several commands begin with, in a file as a command's. */
export function defineGroup(definition: Pick<Entry, 'name' | 'section' | 'summary' | 'examples'>) {
  const run = (): Promise<number> => {
    throw new NightlyError('bug', `"${definition.name}" is not a command.`);
  };
  const command = { entry: { arguments: {}, options: {}, ...definition, isGroup: true }, interruptible: false, run };
  commands.add(command);
  return command;
}

/** Whether something that a file exports is a command or a group. */
export function isDefined(value: unknown): value is Command<Readonly<Record<string, unknown>>, Context> {
  return typeof value === 'object' && value !== null && commands.has(value);
}

/** `--id-file` for `idFile`; a negation has its `no-`. */
export function optionFlag(name: string, { kind }: Pick<OptionData, 'kind'>): string {
  const words = name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  return `--${kind === 'negation' ? 'no-' : ''}${words}`;
}

/** Returns an error about options that do not go together. */
export function usageError(command: string, message: string): NightlyError {
  return new NightlyError('usage', message, { hint: `See "atomic-nightly ${command} --help".` });
}
