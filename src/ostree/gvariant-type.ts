/**
 * GVariant type strings and what serialisation needs to know of them: alignment and, where every value has the same
 * length, that length. After the GVariant Specification 1.0 (sections 2.3 to 2.5).
 */
export interface VariantType {
  readonly kind: 'basic' | 'string' | 'variant' | 'maybe' | 'array' | 'tuple';
  /** The type string this was parsed from. */
  readonly text: string;
  /** 1, 2, 4 or 8 bytes. */
  readonly alignment: number;
  /** Bytes; undefined when it depends on the value. */
  readonly fixedSize: number | undefined;
  /** Element of an array or maybe, members of a tuple or dictionary entry. */
  readonly members: readonly VariantType[];
}

const BASIC_SIZE: Readonly<Record<string, number>> = { b: 1, y: 1, n: 2, q: 2, i: 4, u: 4, h: 4, x: 8, t: 8, d: 8 };

const known = new Map<string, VariantType>();

/** Parses one complete type such as `(a{sv}ay)`. @throws Error when the text is not exactly one type. */
export function parseType(text: string): VariantType {
  const before = known.get(text);
  if (before) return before;
  const { type, end } = parseAt(text, 0);
  if (end !== text.length) throw new Error(`"${text}" is more than one GVariant type.`);
  // OSTree has a few dozen; what hostile data may have is not kept.
  if (known.size < 200) known.set(text, type);
  return type;
}

/** Whether a text is one complete GVariant type; what is asked of type strings found in data. */
export function isType(text: string): boolean {
  try {
    parseType(text);
    return true;
  } catch {
    return false;
  }
}

function parseAt(text: string, at: number): { type: VariantType; end: number } {
  const letter = text[at];
  if (letter === undefined) throw new Error(`The GVariant type "${text}" ends too early.`);
  const size = BASIC_SIZE[letter];
  if (size !== undefined) return leaf('basic', letter, size, size, at);
  if (letter === 's' || letter === 'o' || letter === 'g') return leaf('string', letter, 1, undefined, at);
  if (letter === 'v') return leaf('variant', letter, 8, undefined, at);
  if (letter === 'a' || letter === 'm') {
    const { type: element, end } = parseAt(text, at + 1);
    const kind = letter === 'a' ? 'array' : 'maybe';
    const { alignment } = element;
    return {
      type: { kind, text: text.slice(at, end), alignment, fixedSize: undefined, members: [element] },
      end,
    };
  }
  if (letter === '(' || letter === '{') return parseTuple(text, at, letter === '(' ? ')' : '}');
  throw new Error(`"${text}" has no GVariant type at position ${at}.`);
}

function leaf(
  kind: VariantType['kind'],
  text: string,
  alignment: number,
  fixedSize: number | undefined,
  at: number,
): { type: VariantType; end: number } {
  return { type: { kind, text, alignment, fixedSize, members: [] }, end: at + 1 };
}

function parseTuple(text: string, start: number, close: string): { type: VariantType; end: number } {
  const members: VariantType[] = [];
  let at = start + 1;
  while (text[at] !== close) {
    const { type, end } = parseAt(text, at);
    members.push(type);
    at = end;
  }
  const alignment = Math.max(1, ...members.map((member) => member.alignment));
  const end = at + 1;
  return {
    type: {
      kind: 'tuple',
      text: text.slice(start, end),
      alignment,
      fixedSize: fixedSizeOf(members, alignment),
      members,
    },
    end,
  };
}

function fixedSizeOf(members: readonly VariantType[], alignment: number): number | undefined {
  let size = 0;
  for (const { alignment: memberAlignment, fixedSize } of members) {
    if (fixedSize === undefined) return undefined;
    size = align(size, memberAlignment) + fixedSize;
  }
  // The unit type () takes one byte, so that arrays of it have a length.
  return members.length === 0 ? 1 : align(size, alignment);
}

/** Returns the next multiple of `alignment` from `offset` on. */
export function align(offset: number, alignment: number): number {
  return (offset + alignment - 1) & -alignment;
}
