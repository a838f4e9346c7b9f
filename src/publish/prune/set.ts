/** A set of SHA-256 checksums, packed: 16 bytes each, in a table at most three quarters full. */
export interface ChecksumSet {
  /** Lower-case hex. @returns whether it was new. */
  add(checksum: string): boolean;
  has(checksum: string): boolean;
  readonly size: number;
}

/** Words of a checksum that are kept. */
const WORDS = 4;

/**
 * A million checksums take 34 MB, a third of what a Set of strings does. Only the first half of each is compared: two that share it
 * (nobody has seen any) count as one, and in a set of what stays that keeps a file too many and never removes one.
 */
export function checksumSet(): ChecksumSet {
  let table = new Uint32Array(1024 * WORDS);
  let size = 0;
  const key = new Uint32Array(WORDS);

  /** Where the key is, or the free place for it. A place of four zeros is free; no checksum begins so. */
  const placeIn = (cells: Uint32Array): number => {
    const mask = cells.length / WORDS - 1;
    for (let index = (key[0] ?? 0) & mask; ; index = (index + 1) & mask) {
      const at = index * WORDS;
      const [a, b, c, d] = [cells[at], cells[at + 1], cells[at + 2], cells[at + 3]];
      if (a === key[0] && b === key[1] && c === key[2] && d === key[3]) return at;
      if (a === 0 && b === 0 && c === 0 && d === 0) return at;
    }
  };
  const parse = (checksum: string): void => {
    for (let word = 0; word < WORDS; word += 1) key[word] = Number.parseInt(checksum.slice(word * 8, word * 8 + 8), 16);
  };
  const grow = (): void => {
    const larger = new Uint32Array(table.length * 2);
    for (let at = 0; at < table.length; at += WORDS) {
      key.set(table.subarray(at, at + WORDS));
      if (key.some((word) => word !== 0)) larger.set(key, placeIn(larger));
    }
    table = larger;
  };
  return {
    add(checksum) {
      if ((size + 1) * WORDS * 4 > table.length * 3) grow();
      parse(checksum);
      const at = placeIn(table);
      if (table[at] !== 0 || table[at + 1] !== 0 || table[at + 2] !== 0 || table[at + 3] !== 0) return false;
      table.set(key, at);
      size += 1;
      return true;
    },
    has(checksum) {
      parse(checksum);
      const at = placeIn(table);
      return table[at] !== 0 || table[at + 1] !== 0 || table[at + 2] !== 0 || table[at + 3] !== 0;
    },
    get size() {
      return size;
    },
  };
}

/** Checksums in the order they came, packed: 32 bytes each. */
export interface ChecksumList extends Iterable<string> {
  /** Lower-case hex. */
  push(checksum: string): void;
  readonly length: number;
}

/** An empty list. */
export function checksumList(): ChecksumList {
  const BYTES = 32;
  let packed = Buffer.alloc(64 * BYTES);
  let length = 0;
  return {
    push(checksum) {
      if ((length + 1) * BYTES > packed.length) packed = Buffer.concat([packed], packed.length * 2);
      packed.write(checksum, length * BYTES, 'hex');
      length += 1;
    },
    get length() {
      return length;
    },
    *[Symbol.iterator]() {
      for (let index = 0; index < length; index += 1) yield packed.toString('hex', index * BYTES, (index + 1) * BYTES);
    },
  };
}
