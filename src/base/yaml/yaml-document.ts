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
    const faults = document.errors.map((error): Fault => {
      const { line, col } = lines.linePos(error.pos[0]);
      return { place: { file: path, line, column: col }, message: syntaxMessage(error) };
    });
    throw faultsError(path, faults, hint);
  }
  return { input: valuesOf(document, path, hint), places: createPlaces(path, document, lines) };
}

/** Returns what is wrong, in words for whoever wrote the file; the parser's own are partly for programmers. */
export function syntaxMessage({ code, message }: Pick<YAMLError, 'code' | 'message'>): string {
  return code === 'MULTIPLE_DOCS' ? 'a second document begins here, and one is read' : message;
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
