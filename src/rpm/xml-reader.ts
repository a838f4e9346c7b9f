import { SaxesParser } from 'saxes';
import { FormatError, otherContent } from './format-error.ts';

/** An element as it ends: its path from the root without prefixes (`metadata/package/name`), attributes and own text. */
export interface XmlElement {
  readonly path: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly text: string;
}

/** Repository metadata has six. */
const MOST_LEVELS = 64;

/**
 * Calls back for each element of a document, inner ones first, without keeping any: repository metadata has tens of MB.
 * @param root name of the outermost element: one of another kind has nothing that is looked for, and would be taken for empty
 * @throws FormatError when the text is not XML, or of another kind.
 */
export function eachElement(xml: string, root: string, onEnd: (element: XmlElement) => void): void {
  const parser = new SaxesParser();
  const other = otherContent(xml);
  if (other !== undefined) throw new FormatError(other);
  const open: { path: string; attributes: Readonly<Record<string, string>>; text: string }[] = [];
  parser.on('error', (error) => {
    throw new FormatError(`it is not XML: ${error.message}`, { cause: error });
  });
  parser.on('opentag', ({ name, attributes }) => {
    const local = name.slice(name.indexOf(':') + 1);
    const parent = open.at(-1)?.path;
    if (parent === undefined && local !== root) throw new FormatError(`it begins with <${local}>, not <${root}>`);
    if (open.length === MOST_LEVELS) throw new FormatError(`it has elements ${MOST_LEVELS} levels deep`);
    open.push({ path: parent === undefined ? local : `${parent}/${local}`, attributes, text: '' });
  });
  parser.on('text', (piece) => {
    const element = open.at(-1);
    if (element) element.text += piece;
  });
  parser.on('closetag', () => {
    const element = open.pop();
    if (element) onEnd({ ...element, text: element.text.trim() });
  });
  parser.write(xml).close();
}
