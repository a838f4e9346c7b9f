/** What a shell offers for a value: files, folders, or names that it asks the program for. */
export type Completes = 'file' | 'folder' | 'build' | 'stream' | 'target' | 'sink' | 'tag';

/** An option as plain JSON: for the parser, the help, the man page and the shells. */
export interface OptionData {
  /** `negation`: `--no-NAME`, true without it; `list`: `a,b`; `words`: several words after it. */
  readonly kind: 'flag' | 'negation' | 'text' | 'list' | 'words' | 'number';
  /** Stands for the value in help, as in `FILE`; flags have none. */
  readonly value?: string;
  readonly help: string;
  /** Letter of the short form. */
  readonly short?: string;
  /** Environment variable that gives the value when the option does not. */
  readonly env?: string;
  readonly default?: string | number;
  readonly required?: true;
  readonly choices?: readonly string[];
  readonly completes?: Completes;
}

/** An argument as plain JSON; one that is not required may have a default. */
export interface ArgumentData {
  readonly value: string;
  readonly help: string;
  readonly kind: 'required' | 'optional' | 'rest';
  readonly default?: string;
  readonly choices?: readonly string[];
  readonly completes?: Completes;
}

declare const typed: unique symbol;

/** An option whose value has this type; the type exists for the compiler only. */
export interface Option<Value> extends OptionData {
  readonly [typed]?: () => Value;
}

/** An argument whose value has this type. */
export interface Argument<Value> extends ArgumentData {
  readonly [typed]?: () => Value;
}

/** The value that a command's handler is given for an option or an argument. */
export type ValueOf<Input> = Input extends { readonly [typed]?: () => infer Value } ? Value : never;

interface TextDetail {
  readonly default?: string;
  readonly required?: true;
  readonly short?: string;
  readonly env?: string;
  readonly completes?: Completes;
}

/** Never undefined when there is a default or the option must be given. */
type Given<Detail, Value> = Detail extends { default: string } | { required: true } ? Value : Value | undefined;

/** `--name`: false without it. @param detail.short letter of a short form */
export function flag(help: string, { short }: { readonly short?: string } = {}): Option<boolean> {
  return { kind: 'flag', help, ...(short === undefined ? {} : { short }) };
}

/** `--no-name`: sets to false what is true without it. */
export function negation(help: string): Option<boolean> {
  return { kind: 'negation', help };
}

/** `--name VALUE` */
export function text<const Detail extends TextDetail = Record<never, never>>(
  value: string,
  help: string,
  detail?: Detail,
): Option<Given<Detail, string>> {
  return { kind: 'text', value, help, ...detail };
}

/** `--name VALUE`, one of these. */
export function choice<const Choice extends string, const Detail extends TextDetail = Record<never, never>>(
  value: string,
  choices: readonly Choice[],
  help: string,
  detail?: Detail,
): Option<Given<Detail, Choice>> {
  return { kind: 'text', value, choices, help, ...detail };
}

/** `--name a,b` */
export function list(value: string, help: string): Option<readonly string[] | undefined> {
  return { kind: 'list', value, help };
}

/** `--name a b`, also given more than once; empty without it. */
export function words(value: string, help: string): Option<readonly string[]> {
  return { kind: 'words', value, help };
}

/** `--name 8087`: a whole number from 0. */
export function number(value: string, help: string, byDefault: number): Option<number> {
  return { kind: 'number', value, help, default: byDefault };
}

/** `<NAME>` */
export function needed(value: string, help: string, completes?: Completes): Argument<string> {
  return { kind: 'required', value, help, ...(completes && { completes }) };
}

/** `<NAME>`, one of these. */
export function neededChoice<const Choice extends string>(
  value: string,
  choices: readonly Choice[],
  help: string,
): Argument<Choice> {
  return { kind: 'required', value, choices, help };
}

/** `[NAME]` */
export function optional(value: string, help: string, completes?: Completes): Argument<string | undefined> {
  return { kind: 'optional', value, help, ...(completes && { completes }) };
}

/** `[NAME]` with a value for when it is left out. */
export function optionalWithDefault(
  value: string,
  help: string,
  byDefault: string,
  completes?: Completes,
): Argument<string> {
  return { kind: 'optional', value, help, default: byDefault, ...(completes && { completes }) };
}

/** `[NAME...]`: all the words that are left. */
export function rest(value: string, help: string): Argument<readonly string[]> {
  return { kind: 'rest', value, help };
}
