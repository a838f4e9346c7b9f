import { realpathSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { readCatalog } from '../src/cli/catalog.ts';
import { type Entry, optionFlag, SECTIONS } from '../src/cli/define.ts';
import { allExitCodes } from '../src/cli/exit-code.ts';
import { GLOBAL_OPTIONS } from '../src/cli/globals.ts';
import type { ArgumentData, OptionData } from '../src/cli/inputs.ts';
import { VERSION } from '../src/base/version.ts';
import { DESCRIPTION, inHelpOrder } from '../src/cli/program.ts';

/** Of VERSION. */
const DATE = '2026-11-29';

/** The manual page in the macros of man(7), made of the definitions of the commands. */
export function manPage(all: readonly Entry[]): string {
  const entries = inHelpOrder(all).filter(({ hidden }) => hidden !== true);
  const [summary = '', details = ''] = DESCRIPTION.split(': ');
  const lines = [
    '.\\" Made by scripts/man-page.ts out of src/cli/commands; do not edit.',
    `.TH ATOMIC\\-NIGHTLY 1 ${DATE} "atomic\\-nightly ${VERSION}" "User Commands"`,
    ...heading('SH', 'NAME'),
    `atomic\\-nightly \\- ${roff(`${summary.charAt(0).toLowerCase()}${summary.slice(1)}`)}`,
    ...heading('SH', 'SYNOPSIS'),
    '.B atomic\\-nightly',
    '.RI [ "global options" ]',
    '.I command',
    '.RI [ options ]',
    '.RI [ arguments ]',
    ...heading('SH', 'DESCRIPTION'),
    `${roff(`${summary}: ${details}`)}`,
    '.PP',
    'Every command takes the global options, before its name or after it.',
    ...heading('SH', 'GLOBAL OPTIONS'),
    ...options(GLOBAL_OPTIONS),
    ...tagged('\\fB\\-V\\fR, \\fB\\-\\-version\\fR', 'output the version number'),
    ...tagged('\\fB\\-h\\fR, \\fB\\-\\-help\\fR', 'display help for command'),
    ...SECTIONS.flatMap((section) => [
      ...heading('SH', section.toUpperCase()),
      ...entries
        .filter((entry) => entry.section === section)
        .flatMap((top) => [top, ...entries.filter(({ name }) => name.startsWith(`${top.name} `))])
        .flatMap(command),
    ]),
    ...heading('SH', 'EXIT STATUS'),
    ...exitCodes(allExitCodes()),
    ...heading('SH', 'ENVIRONMENT'),
    ...Object.entries(GLOBAL_OPTIONS).flatMap(([name, data]: [string, OptionData]) =>
      data.env === undefined
        ? []
        : tagged(`\\fB${roff(data.env)}\\fR`, `what ${optionFlag(name, data)} is without the option`),
    ),
    ...heading('SH', 'FILES'),
    ...tagged(`\\fI${roff('atomic-nightly.yaml')}\\fR`, 'the configuration, in the folder where the program is run'),
    ...heading('SH', 'SEE ALSO'),
    '.BR ostree (1),',
    '.BR rpm\\-ostree (1),',
    '.BR dnf (8)',
  ];
  return `${lines.join('\n')}\n`;
}

function command(entry: Entry): string[] {
  const { name, summary, notes, examples } = entry;
  return [
    ...heading('SS', synopsis(entry)),
    `${roff(`${summary.charAt(0).toUpperCase()}${summary.slice(1)}.`)}`,
    ...(notes === undefined ? [] : ['.PP', roff(notes)]),
    ...Object.values(entry.arguments).flatMap(argument),
    ...options(entry.options),
    ...(entry.exitCodes === undefined || name === 'nightly' ? [] : ['.PP', 'Exit status:', ...exitCodes(entry.exitCodes)]),
    ...(examples.length === 0 ? [] : ['.PP', examples.length === 1 ? 'Example:' : 'Examples:', ...code(examples)]),
  ];
}

function synopsis(entry: Entry): string {
  if (entry.isGroup) return `atomic-nightly ${entry.name} COMMAND`;
  const words = Object.values(entry.arguments).map(placeholder);
  const options = Object.keys(entry.options).length === 0 ? [] : ['[options]'];
  return ['atomic-nightly', entry.name, ...(entry.usage === undefined ? [...options, ...words] : [entry.usage])].join(' ');
}

function placeholder({ kind, value }: ArgumentData): string {
  return { required: `<${value}>`, optional: `[${value}]`, rest: `[${value}...]` }[kind];
}

function argument(data: ArgumentData): string[] {
  return tagged(`\\fI${roff(data.value)}\\fR`, withDetails(data));
}

function options(all: Readonly<Record<string, OptionData>>): string[] {
  return Object.entries(all).flatMap(([name, data]) => {
    const short = data.short === undefined ? '' : `\\fB\\-${data.short}\\fR, `;
    const value = data.value === undefined ? '' : ` \\fI${roff(data.value)}\\fR${data.kind === 'words' ? '...' : ''}`;
    return tagged(`${short}\\fB${roff(optionFlag(name, data))}\\fR${value}`, withDetails(data));
  });
}

function withDetails(data: ArgumentData | OptionData): string {
  const details = [
    ...('required' in data && data.required === true ? ['required'] : []),
    ...(data.choices === undefined ? [] : [`one of ${data.choices.join(', ')}`]),
    ...(data.default === undefined ? [] : [`default: ${data.default}`]),
  ];
  return details.length === 0 ? data.help : `${data.help} (${details.join('; ')})`;
}

function exitCodes(codes: Readonly<Record<number, string>>): string[] {
  return Object.entries(codes).flatMap(([one, meaning]) => tagged(`\\fB${one}\\fR`, meaning));
}

/** @param tag roff already */
function tagged(tag: string, text: string): string[] {
  return ['.TP', tag, roff(text)];
}

function heading(macro: 'SH' | 'SS', text: string): string[] {
  return [`.${macro} "${roff(text)}"`];
}

function code(lines: readonly string[]): string[] {
  return ['.PP', '.RS 4', '.nf', ...lines.flatMap((line) => line.split('\n')).map(roff), '.fi', '.RE'];
}

/** Text as roff shows it letter by letter; a line that begins with a dot or an apostrophe would be a request. */
function roff(text: string): string {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll('"', '\\(dq')
    .replaceAll("'", '\\(aq')
    .replaceAll('`', '\\(ga')
    .replaceAll('~', '\\(ti')
    .replaceAll('^', '\\(ha')
    .replace(/^\./gm, '\\&.');
}

/** The page that the package has. */
export const MAN_PAGE = fileURLToPath(new URL('../man/atomic-nightly.1', import.meta.url));

// Writes it anew after a change of a command: npx tsx scripts/man-page.ts
if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  writeFileSync(MAN_PAGE, manPage(await readCatalog()));
}
