import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../../src/programs/exec.ts';

/** A shell with the program on PATH and its completion loaded. */
export interface CompletingShell {
  /** What it offers at the end of each line, sorted; of `--option=word` the word alone. */
  offers(lines: readonly string[]): Promise<string[][]>;
}

export const SHELLS = ['bash', 'zsh', 'fish'] as const;

/**
 * Opens a shell in a folder. The script comes from the program itself; each shell then completes as on a terminal: bash
 * by the function that is registered, zsh in a terminal of its own, fish by its \`complete -C\`.
 * @param dir also gets the program and the script
 */
export async function completingShell(shell: (typeof SHELLS)[number], dir: string): Promise<CompletingShell> {
  const bin = join(dir, '.bin');
  await mkdir(bin, { recursive: true });
  const program = join(bin, 'atomic-nightly');
  const built = new URL('../../bin/atomic-nightly.js', import.meta.url).pathname;
  await writeFile(program, `#!/bin/sh\nexec ${process.execPath} ${built} "$@"\n`);
  await chmod(program, 0o755);
  const script = join(bin, `completion.${shell}`);
  await writeFile(script, (await run(program, ['completion', shell])).stdout);
  const driver = join(bin, `driver.${shell}`);
  await writeFile(driver, DRIVERS[shell]);
  const env = { PATH: `${bin}:${process.env['PATH']}`, HOME: dir, TERM: 'dumb', SCRIPT: script, OUT: join(bin, 'out') };
  return {
    async offers(lines) {
      const flags = { bash: ['--norc'], zsh: ['-f'], fish: ['--no-config'] }[shell];
      const { stdout } = await run(shell, [...flags, driver, ...lines], { cwd: dir, env });
      const blocks = stdout.split('\f\n').slice(0, -1);
      return blocks.map((block) => [...new Set(block.split('\n').filter(Boolean).map(wordOf))].toSorted());
    },
  };
}

/** fish says a description after a tab and repeats `--option=`; folders may have a slash. */
function wordOf(line: string): string {
  const [word = ''] = line.split('\t');
  return word.replace(/^--[\w-]+=(?=.)/, '').replace(/\/$/, '');
}

/** Each prints what is offered for every line of its arguments, a word a line, and a form feed after each. */
const DRIVERS = {
  // As readline does, words are parted at blanks and around "=".
  bash: `source "$SCRIPT"
for line; do
  parted=\${line//=/ = }
  read -ra COMP_WORDS <<<"$parted"
  [[ $line == *' ' ]] && COMP_WORDS+=('')
  COMP_CWORD=$((\${#COMP_WORDS[@]} - 1))
  function=$(complete -p atomic-nightly | sed 's/.*-F \\([^ ]*\\).*/\\1/')
  "$function" atomic-nightly 2>/dev/null
  printf '%s\\n' "\${COMPREPLY[@]}" $'\\f'
done
`,
  zsh: `zmodload zsh/zpty
cat > "$OUT.rc" <<'RC'
PS1=
autoload -Uz compinit && compinit -u -D
source "$SCRIPT"
unsetopt list_beep beep
compadd() {
  if [[ \${@[1,(i)(-|--)]} == *-(O|A|D)\\ * ]]; then builtin compadd "$@"; return; fi
  local -a found
  builtin compadd -O found "$@"
  (( $#found )) && print -rl -- $found >> "$OUT"
  builtin compadd "$@"
}
capture() {
  _main_complete
  compstate[insert]='' compstate[list]=''
  print -r -- @@ended@@
}
zle -C capture complete-word capture
bindkey '^I' capture
RC
zpty shell zsh -f -i
zpty -w shell "source $OUT.rc; print -r -- @@read''y@@"
zpty -r shell ignored '*@@ready@@*'
for line; do
  : > "$OUT"
  zpty -n -w shell "$line"$'\\t'
  zpty -r shell ignored '*@@ended@@*'
  zpty -n -w shell $'\\C-u'
  print -r -- "$(<"$OUT")"
  print -n $'\\f\\n'
done
zpty -d shell
`,
  fish: `source $SCRIPT
for line in $argv
  complete -C $line
  printf '\\f\\n'
end
`,
};
