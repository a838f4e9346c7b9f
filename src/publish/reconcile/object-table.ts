import type { ObjectType } from '../../ostree/objects.ts';

const TYPES = ['filez', 'dirtree', 'dirmeta', 'commit', 'commitmeta'] as const satisfies readonly ObjectType[];
/** SHA-256 and a byte for the type. */
const KEY = 33;

/** What is known of one object. */
export interface TableEntry {
  readonly checksum: string;
  readonly type: ObjectType;
  /** Size on the target in bytes; undefined: it is not there. */
  readonly bytes: number | undefined;
  /** Some commit that is to be whole needs it. */
  readonly needed: boolean;
}

/**
 * The objects of a target with their sizes, and which of them are needed. An open-addressing hash table over flat arrays:
 * a million objects take 90 MB, as strings in a Map they would take four times that.
 */
export class ObjectTable {
  #slots = 1 << 12;
  #count = 0;
  #keys = Buffer.alloc(this.#slots * KEY);
  #used = new Uint8Array(this.#slots);
  #bytes = new Float64Array(this.#slots);
  #needed = new Uint8Array(this.#slots);

  /** Notes an object that the target has. */
  addListed(checksum: string, type: ObjectType, bytes: number): void {
    // First the slot: a table that grows has other arrays afterwards.
    const slot = this.#slotOf(checksum, type);
    this.#bytes[slot] = bytes;
  }

  /** Marks an object as needed. @returns whether it was not before. */
  need(checksum: string, type: ObjectType): boolean {
    const slot = this.#slotOf(checksum, type);
    if (this.#needed[slot] === 1) return false;
    this.#needed[slot] = 1;
    return true;
  }

  /** Size on the target; undefined when it is not there. */
  bytesOf(checksum: string, type: ObjectType): number | undefined {
    const slot = this.#find(keyOf(checksum, type));
    return this.#used[slot] === 1 ? known(this.#bytes[slot]) : undefined;
  }

  *entries(): Generator<TableEntry> {
    for (let slot = 0; slot < this.#slots; slot += 1) {
      if (this.#used[slot] === 0) continue;
      const at = slot * KEY;
      yield {
        checksum: this.#keys.toString('hex', at, at + KEY - 1),
        type: TYPES[this.#keys[at + KEY - 1] ?? 0] ?? 'filez',
        bytes: known(this.#bytes[slot]),
        needed: this.#needed[slot] === 1,
      };
    }
  }

  #slotOf(checksum: string, type: ObjectType): number {
    const key = keyOf(checksum, type);
    const slot = this.#find(key);
    if (this.#used[slot] === 1) return slot;
    if (this.#count * 4 >= this.#slots * 3) {
      this.#grow();
      return this.#slotOf(checksum, type);
    }
    this.#put(slot, key, ABSENT, 0);
    return slot;
  }

  /** The slot that has the key, or the free one where it belongs. Checksums are evenly spread: four bytes are the hash. */
  #find(key: Buffer): number {
    let slot = (key.readUInt32LE(0) ^ (key[KEY - 1] ?? 0)) & (this.#slots - 1);
    while (this.#used[slot] === 1 && this.#keys.compare(key, 0, KEY, slot * KEY, slot * KEY + KEY) !== 0) {
      slot = (slot + 1) & (this.#slots - 1);
    }
    return slot;
  }

  #put(slot: number, key: Buffer, bytes: number, needed: number): void {
    key.copy(this.#keys, slot * KEY);
    this.#used[slot] = 1;
    this.#bytes[slot] = bytes;
    this.#needed[slot] = needed;
    this.#count += 1;
  }

  #grow(): void {
    const [slots, keys, used, bytes, needed] = [this.#slots, this.#keys, this.#used, this.#bytes, this.#needed];
    this.#slots = slots * 2;
    this.#count = 0;
    this.#keys = Buffer.alloc(this.#slots * KEY);
    this.#used = new Uint8Array(this.#slots);
    this.#bytes = new Float64Array(this.#slots);
    this.#needed = new Uint8Array(this.#slots);
    for (let slot = 0; slot < slots; slot += 1) {
      if (used[slot] === 0) continue;
      const key = keys.subarray(slot * KEY, slot * KEY + KEY);
      this.#put(this.#find(key), key, bytes[slot] ?? ABSENT, needed[slot] ?? 0);
    }
  }
}

const ABSENT = -1;

function known(bytes: number | undefined): number | undefined {
  return bytes === undefined || bytes === ABSENT ? undefined : bytes;
}

function keyOf(checksum: string, type: ObjectType): Buffer {
  return Buffer.from(checksum + TYPES.indexOf(type).toString(16).padStart(2, '0'), 'hex');
}
