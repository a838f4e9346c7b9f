/** SHA-256 checksums in lower-case hex, packed into 32 bytes each, in the order they came. */
export interface ChecksumList extends Iterable<string> {
  push(checksum: string): void;
  readonly length: number;
}

/** The same, each once: with its table a million take some 42 MB, a third of what a Set of strings does. */
export interface ChecksumSet extends Iterable<string> {
  /** @returns whether it was new. */
  add(checksum: string): boolean;
  has(checksum: string): boolean;
  readonly size: number;
}

const BYTES = 32;

/** Checksums in one piece of memory, 1 MiB. A list grows by such pieces, so that it is never copied nor half empty. */
const IN_PIECE = 1 << 15;

/** Returns an empty list. */
export function checksumList(): ChecksumList {
  const packed = new Packed();
  return {
    push: (checksum) => packed.push(checksum),
    get length() {
      return packed.length;
    },
    [Symbol.iterator]: () => packed.all(),
  };
}

/** Returns an empty set. */
export function checksumSet(): ChecksumSet {
  const packed = new Packed();
  // Open addressing; a place holds the number of a checksum, counted from 1, or 0. At most three quarters are taken.
  let table = new Uint32Array(1024);
  const key = Buffer.alloc(BYTES);

  /** Where the checksum stands in the table, or the free place for it. */
  const placeOf = (checksum: string): number => {
    key.write(checksum, 'hex');
    const mask = table.length - 1;
    for (let place = key.readUInt32LE() & mask; ; place = (place + 1) & mask) {
      const number = table[place] ?? 0;
      if (number === 0 || packed.isAt(number - 1, key)) return place;
    }
  };
  const grow = (): void => {
    table = new Uint32Array(table.length * 2);
    const mask = table.length - 1;
    for (let index = 0; index < packed.length; index += 1) {
      let place = packed.hashAt(index) & mask;
      while (table[place] !== 0) place = (place + 1) & mask;
      table[place] = index + 1;
    }
  };
  return {
    add(checksum) {
      if ((packed.length + 1) * 4 > table.length * 3) grow();
      const place = placeOf(checksum);
      if (table[place] !== 0) return false;
      packed.push(checksum);
      table[place] = packed.length;
      return true;
    },
    has: (checksum) => table[placeOf(checksum)] !== 0,
    get size() {
      return packed.length;
    },
    [Symbol.iterator]: () => packed.all(),
  };
}

class Packed {
  readonly #pieces: Buffer[] = [];
  length = 0;

  push(checksum: string): void {
    if (this.length % IN_PIECE === 0) this.#pieces.push(Buffer.allocUnsafeSlow(IN_PIECE * BYTES));
    this.length += 1;
    this.#pieceOf(this.length - 1).write(checksum, offsetOf(this.length - 1), 'hex');
  }

  isAt(index: number, key: Buffer): boolean {
    const at = offsetOf(index);
    return this.#pieceOf(index).compare(key, 0, BYTES, at, at + BYTES) === 0;
  }

  /** Checksums are evenly spread: any four bytes of one are a hash of it. */
  hashAt(index: number): number {
    return this.#pieceOf(index).readUInt32LE(offsetOf(index));
  }

  *all(): Generator<string> {
    for (let index = 0; index < this.length; index += 1) {
      const at = offsetOf(index);
      yield this.#pieceOf(index).toString('hex', at, at + BYTES);
    }
  }

  #pieceOf(index: number): Buffer {
    const piece = this.#pieces[Math.floor(index / IN_PIECE)];
    if (piece === undefined) throw new RangeError(`There is no checksum ${index}.`);
    return piece;
  }
}

const offsetOf = (index: number): number => (index % IN_PIECE) * BYTES;
