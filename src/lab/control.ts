import { NightlyError } from '../base/errors.ts';

/** One name in a dependency field: `libc6:any (>= 2.34)`. */
export interface Relation {
  readonly name: string;
  /** `<<`, `<=`, `=`, `>=`, `>>`, with the Debian version it compares to. */
  readonly constraint?: { readonly operator: DebianOperator; readonly version: string };
}

export type DebianOperator = '<<' | '<=' | '=' | '>=' | '>>';

/** Field names as in the file; a field's continuation lines are joined with newlines. */
export type ControlFields = ReadonlyMap<string, string>;

/**
 * Reads one stanza of a Debian control file (deb-control(5)).
 * @throws NightlyError `unsupported` on a line that is neither `Field: value` nor a continuation.
 */
export function parseControl(text: string): ControlFields {
  const fields = new Map<string, string>();
  let current: string | undefined;
  for (const line of text.split('\n')) {
    if (line.trim() === '' || line.startsWith('#')) continue;
    const field = /^([^\s:]+):[ \t]*(.*)$/.exec(line);
    if (/^[ \t]/.test(line) && current !== undefined) {
      fields.set(current, `${fields.get(current) ?? ''}\n${line.trim()}`);
    } else if (field?.[1] !== undefined) {
      current = field[1];
      fields.set(current, (field[2] ?? '').trim());
    } else {
      throw new NightlyError('unsupported', `Not a line of a Debian control file: ${line.slice(0, 100)}`, {
        hint: 'The .deb is damaged or not a binary package; delete it from the lab cache and build again.',
      });
    }
  }
  return fields;
}

/**
 * Reads a dependency field: `a (>= 1), b | c` becomes `[[a >= 1], [b, c]]`, in order. Architecture qualifiers
 * (`:any`) are dropped: the lab has one architecture.
 * @throws NightlyError `unsupported` on anything else than names, alternatives and version constraints.
 */
export function parseRelations(field: string | undefined): readonly (readonly Relation[])[] {
  return (field ?? '')
    .split(',')
    .map((group) => group.trim())
    .filter((group) => group !== '')
    .map((group) => group.split('|').map((item) => parseRelation(item.trim())));
}

function parseRelation(text: string): Relation {
  const match = /^([A-Za-z0-9][A-Za-z0-9+.-]*)(?::[a-z0-9-]+)?\s*(?:\(\s*(<<|<=|=|>=|>>)\s*([^\s)]+)\s*\))?$/.exec(
    text,
  );
  const [, name, operator, version] = match ?? [];
  if (name === undefined) {
    throw new NightlyError('unsupported', `Not a dependency on a Debian package: ${text}`, {
      hint: 'The field uses a form that binary packages do not have; leave that package out of the lab.',
    });
  }
  return isOperator(operator) && version !== undefined ? { name, constraint: { operator, version } } : { name };
}

function isOperator(text: string | undefined): text is DebianOperator {
  return text === '<<' || text === '<=' || text === '=' || text === '>=' || text === '>>';
}
