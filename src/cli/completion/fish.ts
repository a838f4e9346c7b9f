import type { Entry } from '../define.ts';
import type { ArgumentData, OptionData } from '../inputs.ts';
import {
  type CompletedOption,
  completedOptions,
  EVERYWHERE,
  groupNames,
  offered,
  takesValue,
  wordsBelow,
} from './completed.ts';

/** Completion for fish 3 and newer. */
export function fishCompletion(entries: readonly Entry[]): string {
  const shown = entries.filter(({ hidden }) => hidden !== true);
  const groups = ['', ...groupNames(shown)];
  const valued = shown.flatMap(({ name, options }) =>
    valuedFlags(completedOptions(options)).map((flag) => `${name} ${flag}`),
  );
  return `# Completion of atomic-nightly for fish, made by "atomic-nightly completion fish".

# Keeps the command that the words so far name and how many arguments it has: every line below asks for that.
function __atomic_nightly_read
    set -l line (commandline -opc | string escape | string join ' ')
    test "$line" = "$__atomic_nightly_line"; and return
    set -g __atomic_nightly_line $line
    set -l command ''
    set -l position 0
    set -l skip no
    for word in (commandline -opc)[2..-1]
        if test $skip = yes
            set skip no
        else if string match -q -- '-*' $word
            if contains -- "$command $word" ${list(valued)}
                or contains -- $word ${list(valuedFlags(EVERYWHERE))}
                set skip yes
            end
        else if test $position = 0; and contains -- (string trim -- "$command $word") ${list(shown.map(({ name }) => name))}
            set command (string trim -- "$command $word")
        else
            set position (math $position + 1)
        end
    end
    set -g __atomic_nightly_command $command
    set -g __atomic_nightly_position $position
end

function __atomic_nightly_at --argument-names command position
    __atomic_nightly_read
    test "$__atomic_nightly_command" = "$command"; or return
    test -z "$position"; or test "$__atomic_nightly_position" = "$position"
end

# Names that the program knows by its configuration and work folder.
function __atomic_nightly_names --argument-names kind
    # fish also asks for arguments while an option is typed, and starting the program takes a moment.
    string match -q -- '-*' (commandline -ct); and return
    set -l words (commandline -opc)
    set -l config
    for index in (seq (count $words))
        if contains -- $words[$index] -c --config
            set config --config $words[(math $index + 1)]
        else if string match -q -- '--config=*' $words[$index]
            set config $words[$index]
        end
    end
    $words[1] $config completion-names $kind 2>/dev/null
end

complete -c atomic-nightly -f
${EVERYWHERE.map((one) => optionLine(undefined, one)).join('\n')}
${groups.flatMap((group) => wordLines(shown, group)).join('\n')}
complete -c atomic-nightly -n '__atomic_nightly_at "" 0' -a help -d 'display help for command'
${shown.flatMap(({ name, options }) => completedOptions(options).map((one) => optionLine(name, one))).join('\n')}
${shown.flatMap(argumentLines).join('\n')}
`;
}

function valuedFlags(options: readonly CompletedOption[]): string[] {
  return options.flatMap(({ flags, data }) => (takesValue(data) ? flags : []));
}

function wordLines(entries: readonly Entry[], group: string): string[] {
  return wordsBelow(entries, group).map(({ word, summary }) =>
    line(`-n ${quoted(`__atomic_nightly_at "${group}" 0`)}`, `-a ${word}`, `-d ${quoted(summary)}`),
  );
}

function optionLine(command: string | undefined, { flags, data }: CompletedOption): string {
  const names = flags.map((flag) => (flag.startsWith('--') ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`));
  const condition = command === undefined ? '' : `-n ${quoted(`__atomic_nightly_at "${command}"`)}`;
  return line(condition, ...names, takesValue(data) ? valueText(data, '-x', '-r') : '', `-d ${quoted(data.help)}`);
}

function argumentLines({ name, arguments: all }: Entry): string[] {
  return Object.values(all).flatMap((data, index) => {
    const value = valueText(data, '', '');
    const position = data.kind === 'rest' ? '' : ` ${index}`;
    return value === '' ? [] : [line(`-n ${quoted(`__atomic_nightly_at "${name}"${position}`)}`, value)];
  });
}

/** The words that say what may stand for a value; `alone` forbids files as well, `needed` only says that one must follow. */
function valueText(data: OptionData | ArgumentData, alone: string, needed: string): string {
  const what = offered(data);
  if (typeof what === 'object') return `${alone} -a ${quoted(what.words.join(' '))}`.trim();
  switch (what) {
    case undefined:
      return alone;
    case 'file':
      return `${needed} -F`.trim();
    case 'folder':
      return `${alone} -a '(__fish_complete_directories)'`.trim();
    case 'build':
    case 'stream':
    case 'target':
    case 'sink':
    case 'tag':
      return `${alone} -a '(__atomic_nightly_names ${what})'`.trim();
  }
}

function line(...parts: readonly string[]): string {
  return ['complete -c atomic-nightly', ...parts.filter((part) => part !== '')].join(' ');
}

function list(words: readonly string[]): string {
  return words.map(quoted).join(' ');
}

function quoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}
