import { Lexer, Parser } from 'yaml';

/** Levels of lists and maps that a file may have: what people write has some ten. */
export const MAX_LEVELS = 200;

/**
 * Returns where lists and maps begin to nest deeper than `MAX_LEVELS`, as an offset; undefined when they do not. To be asked
 * before a document is made of the text: what makes one calls itself for each level, and a full stack is no error that can be
 * caught, for it ends the whole process where an expression is compiled just then.
 */
export function tooDeepAt(text: string): number | undefined {
  // It has a stack of its own.
  const parser = new Parser();
  for (const lexeme of new Lexer().lex(text)) {
    for (const _ of parser.next(lexeme));
    if (parser.stack.length > MAX_LEVELS) return parser.offset;
  }
  return undefined;
}
