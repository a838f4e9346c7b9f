import { damaged } from '../base/read-record.ts';
import { SUMS } from '../build/build-files.ts';
import { isPathBelow } from '../build/record-values.ts';

/** One line of a SHA256SUMS file. */
export interface Summed {
  /** Lower-case hex. */
  readonly sha256: string;
  /** Relative, and below the folder of the file. */
  readonly path: string;
}

/** Formats checksums as `sha256sum` writes them, ordered by path. */
export function formatSums(sums: readonly Summed[]): string {
  const lines = sums.map(({ sha256, path }) => ({ path, line: `${sha256}  ${path}\n` }));
  return lines
    .toSorted((a, b) => (a.path < b.path ? -1 : 1))
    .map(({ line }) => line)
    .join('');
}

const HINT = 'Bring it back from a backup, or publish the build again from where it was made.';

/**
 * Reads what `sha256sum` writes (coreutils, text or binary mode). A path that leads out of the file's folder is refused: what
 * is listed here is read, signed and compared.
 * @param place the file, with its target where it is on one
 * @throws NightlyError `record` at a line that is none of that.
 */
export function parseSums(text: string, place = SUMS): Summed[] {
  return text.split('\n').flatMap((line, index) => {
    if (line === '') return [];
    const [, sha256, path] = /^([0-9a-f]{64}) [ *](.+)$/.exec(line) ?? [];
    if (!sha256 || !path) throw damaged(place, `line ${index + 1} is none that sha256sum would read`, HINT);
    if (!isPathBelow(path)) throw damaged(place, `line ${index + 1} names a path outside its folder`, HINT);
    return [{ sha256, path }];
  });
}
