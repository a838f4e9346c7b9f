import type { TargetFile } from '../target.ts';

/**
 * Returns the keys a file is stored under: its path, and, where that has a `+`, the same with a blank for each. Amazon
 * S3 takes a `+` in the path of a request for a blank, CloudFront in front of it as well, and keeps to it for the sake
 * of those who rely on it (seen in servo/rust-url issue 882; measured in the notes on rust-lang/crates.io issue 4891,
 * where a crate had to be stored twice for the same reason). Static deltas and their indexes have base64 names, three
 * in four with a `+`, which libcurl sends as it is: under its path alone a client could not get such a file. Other
 * servers give it under its path, as the protocol says.
 */
export function keysOf(path: string): readonly string[] {
  return path.includes('+') ? [path, blanked(path)] : [path];
}

const blanked = (path: string): string => path.replaceAll('+', ' ');

/** Sizes in bytes of what is stored under both or one of two keys, the second by its own key. */
interface Pair {
  plus?: TargetFile;
  blank?: TargetFile;
}

/**
 * Files as they were sent, out of keys in any order: the two keys of a file become one file. When they differ in size, or
 * the second is not there, it has 0 bytes, so that whoever compares sizes sends it again. A key with blanks that belongs
 * to no other is a file of somebody else's.
 */
export async function* withoutSecondKeys(keys: AsyncIterable<TargetFile>): AsyncGenerator<TargetFile> {
  const pairs = new Map<string, Pair>();
  for await (const file of keys) {
    if (!/[+ ]/.test(file.path)) {
      yield file;
      continue;
    }
    const pair = pairs.get(blanked(file.path)) ?? {};
    pairs.set(blanked(file.path), { ...pair, [file.path.includes('+') ? 'plus' : 'blank']: file });
  }
  for (const { plus, blank } of pairs.values()) {
    if (plus) yield plus.bytes === blank?.bytes ? plus : { ...plus, bytes: 0 };
    else if (blank) yield blank;
  }
}
