import type { Entry } from '../define.ts';
import type { ArgumentData, OptionData } from '../inputs.ts';
import {
  ASKED,
  type CompletedOption,
  completedOptions,
  EVERYWHERE,
  groupNames,
  offered,
  takesValue,
  wordsBelow,
} from './completed.ts';

/** Completion for bash 4.4 and newer, without the package bash-completion. */
export function bashCompletion(entries: readonly Entry[]): string {
  const shown = entries.filter(({ hidden }) => hidden !== true);
  return `# Completion of atomic-nightly for bash, made by "atomic-nightly completion bash".

# What may follow an option of a command: sets "kind", and "many" when several words may. Fails for flags.
_atomic_nightly_value() {
  many=''
  case "$1 $2" in
${shown.flatMap(({ name, options }) => completedOptions(options).flatMap((one) => valueCase(name, one))).join('\n')}
${EVERYWHERE.flatMap((one) => valueCase(undefined, one)).join('\n')}
    *) return 1 ;;
  esac
}

# What an argument of a command may be, by its position from 0: sets "kind".
_atomic_nightly_argument() {
  case "$1 $2" in
${shown.flatMap(argumentCases).join('\n')}
    *) kind='' ;;
  esac
}

# The options of a command, without those of every command.
_atomic_nightly_options() {
  case "$1" in
${shown.flatMap(optionsCase).join('\n')}
  esac
}

# The words after these that begin or name a command.
_atomic_nightly_words() {
  case "$1" in
    '') echo '${[...wordsBelow(shown, '').map(({ word }) => word), 'help'].join(' ')}' ;;
${groupNames(shown)
  .map((name) => wordsCase(shown, name))
  .join('\n')}
  esac
}

_atomic_nightly_offer() {
  local name
  case "$kind" in
    file) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$current") ;;
    folder) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- "$current") ;;
    ${ASKED.join(' | ')})
      # Not with compgen -W, which would run what a name has in it.
      while IFS= read -r name; do
        [[ $name == "$current"* ]] && printf -v name %q "$name" && COMPREPLY+=("$name")
      done < <("\${COMP_WORDS[0]/#~/$HOME}" "\${config[@]}" completion-names "$kind" 2>/dev/null)
      ;;
    *) mapfile -t COMPREPLY < <(compgen -W "$kind" -- "$current") ;;
  esac
}

_atomic_nightly() {
  local current=\${COMP_WORDS[COMP_CWORD]} command='' position=0 option='' kind='' many='' config=() word i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    # bash takes --option=value apart.
    [[ $word == = ]] && continue
    if [[ -n $option && ( -z $many || $word != -* ) ]]; then
      [[ $option == --config || $option == -c ]] && config=(--config "\${word/#~/$HOME}")
      [[ -n $many ]] || option=''
      continue
    fi
    option=''
    if [[ $word == -* ]]; then
      _atomic_nightly_value "$command" "$word" && option=$word
    elif [[ $position == 0 && " $(_atomic_nightly_words "$command") " == *" $word "* ]]; then
      command=\${command:+$command }$word
    else
      position=$((position + 1))
    fi
  done
  [[ $current == = ]] && current=''
  if [[ -n $option && ( -z $many || $current != -* ) ]]; then
    _atomic_nightly_offer
    return
  fi
  if [[ $current == -* ]]; then
    kind="$(_atomic_nightly_options "$command") ${EVERYWHERE.map(({ flags }) => flags[0]).join(' ')}"
  else
    kind=$(_atomic_nightly_words "$command")
    [[ $command == help ]] && kind=$(_atomic_nightly_words '')
    if [[ -n $kind && $position == 0 ]]; then
      _atomic_nightly_offer
      # A command that also begins others: names are added to the words.
      kind=''
      [[ -z $command || $command == help ]] || _atomic_nightly_argument "$command" 0
      [[ -n $kind ]] || return
    else
      _atomic_nightly_argument "$command" "$position"
    fi
  fi
  _atomic_nightly_offer
}

complete -F _atomic_nightly atomic-nightly
`;
}

/** Without a command: an option that every command takes. */
function valueCase(command: string | undefined, { flags, data }: CompletedOption): string[] {
  if (!takesValue(data)) return [];
  const patterns = flags.map((flag) => (command === undefined ? `*' ${flag}'` : `'${command} ${flag}'`));
  const many = data.kind === 'words' ? ' many=yes' : '';
  return [`    ${patterns.join(' | ')}) kind='${kindText(data)}'${many} ;;`];
}

function argumentCases({ name, arguments: all }: Entry): string[] {
  return Object.values(all).flatMap((data, index) => {
    const kind = kindText(data);
    const position = data.kind === 'rest' ? `'${name} '*` : `'${name} ${index}'`;
    return kind === '' ? [] : [`    ${position}) kind='${kind}' ;;`];
  });
}

/** Returns what _atomic_nightly_offer takes: file, folder, a kind of names, or the words themselves. */
function kindText(data: Pick<OptionData | ArgumentData, 'choices' | 'completes'>): string {
  const what = offered(data);
  return typeof what === 'object' ? what.words.join(' ') : (what ?? '');
}

function optionsCase({ name, options }: Entry): string[] {
  const flags = completedOptions(options).map((one) => one.flags[0]);
  return flags.length === 0 ? [] : [`    '${name}') echo '${flags.join(' ')}' ;;`];
}

function wordsCase(entries: readonly Entry[], group: string): string {
  const words = wordsBelow(entries, group).map(({ word }) => word);
  return `    '${group}') echo '${words.join(' ')}' ;;`;
}
