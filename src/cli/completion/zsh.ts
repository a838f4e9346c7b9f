import type { Entry } from '../define.ts';
import type { ArgumentData, OptionData } from '../inputs.ts';
import {
  beginsOthers,
  type CompletedOption,
  completedOptions,
  EVERYWHERE,
  groupNames,
  offered,
  takesValue,
  wordsBelow,
} from './completed.ts';

/** Completion for zsh: to be sourced after compinit, or a file \`_atomic-nightly\` in a folder of $fpath. */
export function zshCompletion(entries: readonly Entry[]): string {
  const shown = entries.filter(({ hidden }) => hidden !== true);
  return `#compdef atomic-nightly
# Completion of atomic-nightly for zsh, made by "atomic-nightly completion zsh".

# Names that the program knows by its configuration and work folder.
_atomic_nightly_names() {
  # zsh also asks for arguments while an option is typed, and starting the program takes a moment.
  [[ $PREFIX == -* ]] && return 1
  local -a config names
  local index=\${typed[(I)-c|--config]} joined=\${typed[(I)--config=*]}
  (( index )) && config=(--config "\${(Q)typed[index + 1]}")
  (( joined )) && config=("\${(Q)typed[joined]}")
  names=(\${(f)"$("\${\${(Q)typed[1]}/#\\~/$HOME}" "\${config[@]}" completion-names "$1" 2>/dev/null)"})
  compadd -a names
}

${groupNames(shown)
  .map((group) => groupFunction(shown, group))
  .join('\n')}
${groupFunction(shown, '')}
_atomic-nightly() {
  local curcontext=$curcontext context state state_descr line
  typeset -A opt_args
  local -a typed=("\${words[@]}") everywhere=(
${EVERYWHERE.flatMap(optionSpecs).map(indented).join('\n')}
  )
  _atomic_nightly_root
}

if [[ \${funcstack[1]} == _atomic-nightly ]]; then _atomic-nightly "$@"; else compdef _atomic-nightly atomic-nightly; fi
`;
}

/** Completes the word after a group, or after the program's name, and hands on what follows it. */
function groupFunction(entries: readonly Entry[], group: string): string {
  const below = wordsBelow(entries, group);
  const list = group === '' ? [...below, { word: 'help', summary: 'display help for command' }] : below;
  const describe = list.map(({ word, summary }) => `    ${quoted(`${word}:${summary}`)}`);
  const cases = below.map(({ word }) => {
    const name = `${group} ${word}`.trim();
    const entry = entries.find((one) => one.name === name);
    if (!entry || beginsOthers(entries, name)) return `        ${word}) ${functionName(name)} ;;`;
    const specs = [...completedOptions(entry.options).flatMap(optionSpecs), ...argumentSpecs(entry)];
    return `        ${word})\n          _arguments $everywhere${specs.map((spec) => ` \\\n            ${quoted(spec)}`).join('')}\n          ;;`;
  });
  // A command that also begins others takes its options and its argument where their words stand.
  const own = entries.find(({ name, isGroup }) => name === group && !isGroup);
  const [first] = Object.values(own?.arguments ?? {});
  const options = completedOptions(own?.options ?? {}).flatMap(optionSpecs);
  return `${functionName(group)}() {
  local -a below=(
${describe.join('\n')}
  )
  _arguments -C $everywhere${options.map((spec) => ` ${quoted(spec)}`).join('')} '(-)1: :->word' '(-)*:: :->rest'
  case $state in
    word) _describe -t commands command below${first === undefined ? '' : `; ${action(first).trim()}`} ;;
    rest)
      case $words[1] in
${cases.join('\n')}
      esac
      ;;
  esac
}
`;
}

function functionName(group: string): string {
  return `_atomic_nightly_${group === '' ? 'root' : group.replaceAll(/\W/g, '_')}`;
}

/** A spec of _arguments for each form of an option. */
function optionSpecs({ flags, data }: CompletedOption): string[] {
  return flags.map((flag) => {
    const help = `[${escaped(data.help, '[]:')}]`;
    const repeated = data.kind === 'words' ? '*' : '';
    if (!takesValue(data)) return `${flag}${help}`;
    return `${repeated}${flag}${flag.startsWith('--') ? '=' : ''}${help}:${data.value ?? ''}:${action(data)}`;
  });
}

function argumentSpecs({ arguments: all }: Entry): string[] {
  return Object.values(all).map((data, index) => {
    const position = { required: `${index + 1}:`, optional: `${index + 1}::`, rest: '*:' };
    return `${position[data.kind]}${data.value}:${action(data)}`;
  });
}

/** What _arguments does for a value; a space alone completes nothing, and one before a call hands it no arguments. */
function action(data: OptionData | ArgumentData): string {
  const what = offered(data);
  if (typeof what === 'object') return `(${what.words.join(' ')})`;
  switch (what) {
    case undefined:
      return ' ';
    case 'file':
      return '_files';
    case 'folder':
      return '_files -/';
    case 'build':
    case 'stream':
    case 'target':
    case 'sink':
    case 'tag':
      return ` _atomic_nightly_names ${what}`;
  }
}

const indented = (spec: string): string => `    ${quoted(spec)}`;

function escaped(text: string, letters: string): string {
  return [...text].map((letter) => (letters.includes(letter) ? `\\${letter}` : letter)).join('');
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
