import { NightlyError } from '../../base/errors.ts';
import { formatBytes } from '../../base/format.ts';
import type { PusherConfig } from '../../config/receive.ts';
import { readBook } from './push-book.ts';

/** Refuses a push of so many bytes where the name may not have as many. @throws NightlyError `target-permission`. */
export async function requireQuota(bytes: number, root: string, { name, quota }: PusherConfig): Promise<void> {
  const { pushBytes, allBytes } = quota;
  if (pushBytes !== undefined && bytes > pushBytes)
    throw overQuota(`${name} may push ${formatBytes(pushBytes)} at once`, bytes);
  if (allBytes === undefined) return;
  const before = (await readBook(root)).bytes[name] ?? 0;
  if (before + bytes <= allBytes) return;
  throw overQuota(`${name} may push ${formatBytes(allBytes)} in all, of which ${formatBytes(before)} are used`, bytes);
}

function overQuota(what: string, bytes: number): NightlyError {
  return new NightlyError('target-permission', `${what}; this push has ${formatBytes(bytes)}.`, {
    hint: 'Push less, or have the operator raise the quota.',
  });
}
