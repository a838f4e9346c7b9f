import { formatBytes, formatCount } from '../../base/format.ts';

/** What became of a ref, or would. */
export interface PushedResult {
  readonly ref: string;
  readonly from?: string | undefined;
  readonly to: string;
  readonly files: number;
  readonly bytes: number;
}

/** Returns a line for people. @param verb as in `pushed`, or `would push` */
export function resultLine({ ref, from, to, files, bytes }: PushedResult, verb: string): string {
  // What it needed there may have been missing all the same.
  const sent = files === 0 ? '' : `, ${formatCount(files, 'file')}, ${formatBytes(bytes)}`;
  if (from === to) return `${ref} is already ${short(to)}${sent}`;
  return `${verb} ${ref} from ${from === undefined ? 'nothing' : short(from)} to ${short(to)}${sent}`;
}

const short = (commit: string): string => commit.slice(0, 12);
