import { formatBytes } from '../../base/format.ts';

/** What became of a ref, or would. */
export interface PushedResult {
  readonly ref: string;
  readonly from?: string | undefined;
  readonly to: string;
  readonly files: number;
  readonly bytes: number;
}

/** Returns a line for people. */
export function resultLine({ ref, from, to, files, bytes }: PushedResult): string {
  const what =
    from === to ? `is ${short(to)} already` : `from ${from === undefined ? 'nothing' : short(from)} to ${short(to)}`;
  return `${ref} ${what}${files === 0 ? '' : `, ${files} files, ${formatBytes(bytes)}`}`;
}

const short = (commit: string): string => commit.slice(0, 12);
