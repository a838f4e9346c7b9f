import { LineCounter, parseDocument, type YAMLError } from 'yaml';
import type { Fault } from '../errors.ts';
import { MAX_LEVELS, tooDeepAt } from './yaml-depth.ts';
import { faultsError } from './yaml-faults.ts';
import { createPlaces, type Places } from './yaml-places.ts';

/** A YAML file as plain values, and where each was written. */
export interface YamlFile {
  readonly input: unknown;
  readonly places: Places;
}

/**
 * Parses the text of a file.
 * @throws NightlyError `config` with every syntax error as `file:line:col`, and `hint`.
 */
export function parseYaml(text: string, path: string, hint: string): YamlFile {
  const deep = tooDeepAt(text);
  if (deep !== undefined) {
    const before = text.slice(0, deep).split('\n');
    const place = { file: path, line: before.length, column: (before.at(-1)?.length ?? 0) + 1 };
    throw faultsError(path, [{ place, message: `lists and maps nest more than ${MAX_LEVELS} deep.` }], hint);
  }
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, logLevel: 'error' });
  if (document.errors.length > 0) {
    const faults = tellingErrors(document.errors).map((error): Fault => {
      const { line, col } = lines.linePos(error.pos[0]);
      return { place: { file: path, line, column: col }, message: syntaxMessage(error) };
    });
    throw faultsError(path, faults, hint);
  }
  return { input: valuesOf(document, path, hint), places: createPlaces(path, document, lines) };
}

/** What is wrong, by the parser's code, in words for whoever wrote the file; its own are partly for programmers. */
const WORDS: Partial<Record<YAMLError['code'], string>> = {
  MULTIPLE_DOCS: 'a second document begins here, and one is read',
  DUPLICATE_KEY: 'this key stands in its map a second time; remove one of the two',
  BLOCK_AS_IMPLICIT_KEY:
    'a "key: value" where no key can begin: indent the line as those beside it, or put quotes around a text that has ": "',
  TAB_AS_INDENT: 'a tab indents this line; YAML wants blanks',
};

type Found = Pick<YAMLError, 'code' | 'message'>;

/** Whether lines of one map or list are indented differently; the parser has the same code for brackets that nothing closes. */
const isUneven = ({ message }: Found): boolean => /^All \S+ items must start at the same column/.test(message);

/** Returns what is wrong with the syntax of a YAML or JSON file. */
export function syntaxMessage(error: Found): string {
  return isUneven(error) ? 'this line is not indented as those beside it' : (WORDS[error.code] ?? error.message);
}

/** Returns the errors up to the first wrong indentation, which makes the parser report nearly every line after it. */
export function tellingErrors<One extends Found>(errors: readonly One[]): readonly One[] {
  const isIndent = (one: One) => isUneven(one) || one.code === 'BLOCK_AS_IMPLICIT_KEY' || one.code === 'TAB_AS_INDENT';
  const first = errors.findIndex(isIndent);
  return first === -1 ? errors : errors.slice(0, first + 1);
}

function valuesOf(document: ReturnType<typeof parseDocument>, path: string, hint: string): unknown {
  try {
    return document.toJS();
  } catch (error) {
    // A few lines of aliases of aliases stand for billions of values.
    if (!(error instanceof ReferenceError)) throw error;
    throw faultsError(
      path,
      [{ place: { file: path }, message: `its aliases cannot be followed: ${error.message}.` }],
      hint,
    );
  }
}
