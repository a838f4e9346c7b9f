/** A script with one line changed. */
export interface Mutant {
  /** Counted from 1. */
  readonly line: number;
  readonly was: string;
  /** What the line is now; empty: it is gone. */
  readonly now: string;
  readonly text: string;
}

/** What is put in the place of what, each where it stands first in a line. */
const CHANGES: readonly (readonly [RegExp, string])[] = [
  [/\|\|/, '&&'],
  [/&&/, '||'],
  [/-eq /, '-ne '],
  [/-lt /, '-le '],
  [/-le /, '-lt '],
  [/-gt /, '-ge '],
  [/-ge /, '-gt '],
  [/-n /, '-z '],
  [/-z /, '-n '],
  [/ = /, ' != '],
  [/ != /, ' == '],
  [/ == /, ' != '],
  [/ !~ /, ' ~ '],
  [/ ~ /, ' !~ '],
  [/(?<=[ (])(\d+)(?=[ ,);\]])/, '$19'],
];

/** Lines that say nothing to the shell. */
const IDLE = /^\s*(?:#.*|(?:fi|done|esac|else|\}|\{|;;|\))?)$/;

/**
 * Returns a script with each of its lines taken out in turn, and changed in each way that fits. Comments, empty lines, and lines that only
 * close what others open stay.
 */
export function mutantsOf(script: string): Mutant[] {
  const lines = script.split('\n');
  return lines.flatMap((line, at) => {
    if (IDLE.test(line)) return [];
    const others = ['', ...CHANGES.map(([from, to]) => line.replace(from, to)).filter((one) => one !== line)];
    return [...new Set(others)].map((now) => ({ line: at + 1, was: line, now, text: lines.with(at, now).join('\n') }));
  });
}
