import type { BigIntStats } from 'node:fs';

/** What tells one content of a file from another, as in the headers of an answer. */
export interface Validators {
  readonly etag: string;
  /** Undefined while the file is so new that it may change again within the second that the header counts in. */
  readonly lastModified: string | undefined;
}

/** A file that changed less than that ago, in milliseconds, has no date that tells its content (RFC 9110, 8.8.2.2). */
const TOO_NEW_MS = 2000;

/**
 * Returns the validators of a file. Each of its contents is another file, renamed into place, so that inode, size and time to the
 * nanosecond tell them apart without a digest.
 */
export function validatorsOf({ ino, size, mtimeNs, mtimeMs }: BigIntStats, now: number): Validators {
  const changed = Number(mtimeMs);
  return {
    etag: `"${[ino, size, mtimeNs].map((part) => part.toString(36)).join('-')}"`,
    lastModified: now - changed < TOO_NEW_MS ? undefined : new Date(changed).toUTCString(),
  };
}

/** The conditions of a request, as its headers have them. */
export interface Conditions {
  readonly ifNoneMatch: string | undefined;
  readonly ifModifiedSince: string | undefined;
  readonly ifRange: string | undefined;
}

/** Whether the client has the content already (RFC 9110, 13.1.2, 13.1.3): the date counts where no tag is named. */
export function isUnchanged({ ifNoneMatch, ifModifiedSince }: Conditions, { etag, lastModified }: Validators): boolean {
  if (ifNoneMatch !== undefined) {
    return ifNoneMatch.trim() === '*' || ifNoneMatch.split(',').some((tag) => tag.trim().replace(/^W\//, '') === etag);
  }
  if (ifModifiedSince === undefined || lastModified === undefined) return false;
  // False for what is no date.
  return Date.parse(ifModifiedSince) >= Date.parse(lastModified);
}

/** Whether a range may be sent: what the client has of the file is of this content (RFC 9110, 13.1.5). */
export function rangeApplies({ ifRange }: Conditions, { etag, lastModified }: Validators): boolean {
  return ifRange === undefined || ifRange === etag || (lastModified !== undefined && ifRange === lastModified);
}
