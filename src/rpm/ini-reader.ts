/** A section of a file, with its options in the order of their last appearance. */
export interface IniSection {
  readonly name: string;
  /** 1-based line of its header. */
  readonly line: number;
  readonly options: Map<string, IniOption>;
}

export interface IniOption {
  /** Value as written, without surrounding blanks; further lines of a list each follow after a line feed. */
  value: string;
  /** 1-based. */
  readonly line: number;
}

/** What is wrong with a file, and in which line. */
export class IniError extends Error {
  override readonly name = 'IniError';
  readonly line: number;

  constructor(message: string, line: number) {
    super(message);
    this.line = line;
  }
}

const BLANKS = /^[ \t\r]+|[ \t\r]+$/g;

/**
 * Reads an INI file by the rules of libdnf, which is what dnf reads .repo files with (libdnf/utils/iniparser/iniparser.cpp);
 * test/rpm/repofile-dnf.test.ts compares the two. A comment or an empty line ends a list: dnf up to 4.7 went on after it,
 * later ones refuse what follows, and so does this.
 * @throws IniError where dnf would not take the file.
 */
export function parseIni(text: string): IniSection[] {
  const sections: IniSection[] = [];
  let option: IniOption | undefined;
  const lines = text.replace(/^\ufeff/, '').split('\n');
  for (const [index, raw] of lines.entries()) {
    const line = index + 1;
    const content = raw.replace(BLANKS, '');
    if (content === '' || raw.startsWith('#') || raw.startsWith(';')) {
      option = undefined;
    } else if (content.startsWith('[')) {
      // Also an indented one, which would otherwise lend its options to the section before.
      sections.push({ name: sectionName(content, line), line, options: new Map() });
      option = undefined;
    } else {
      const section = sections.at(-1);
      if (!section) throw new IniError('an option comes before the first [section]', line);
      if (/^[ \t\r]/.test(raw)) {
        if (!option) throw new IniError('an indented line continues nothing', line);
        option.value += `\n${content}`;
      } else option = addOption(section, content, line);
    }
  }
  return sections;
}

function sectionName(content: string, line: number): string {
  const end = content.indexOf(']');
  if (end < 0) throw new IniError('the "]" is missing', line);
  if (end === 1) throw new IniError('the section has no name', line);
  // A remark may follow.
  if (!/^[ \t\r]*([#;].*)?$/.test(content.slice(end + 1))) throw new IniError('text follows the "]"', line);
  return content.slice(1, end);
}

function addOption(section: IniSection, content: string, line: number): IniOption {
  const equals = content.indexOf('=');
  if (equals < 0) throw new IniError('the "=" is missing', line);
  if (equals === 0) throw new IniError('the name of an option is missing', line);
  const option = { value: content.slice(equals + 1).replace(/^[ \t]+/, ''), line };
  section.options.set(content.slice(0, equals).replace(/[ \t]+$/, ''), option);
  return option;
}
