/** One line of a SHA256SUMS file. */
export interface Summed {
  /** Lower-case hex. */
  readonly sha256: string;
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

/** Reads what `sha256sum` writes (coreutils, text or binary mode). @throws Error at a line that it would not read. */
export function parseSums(text: string): Summed[] {
  return text.split('\n').flatMap((line) => {
    if (line === '') return [];
    const [, sha256, path] = /^([0-9a-f]{64}) [ *](.+)$/.exec(line) ?? [];
    if (!sha256 || !path) throw new Error(`has a line that sha256sum would not read: ${line.slice(0, 100)}`);
    return [{ sha256, path }];
  });
}
