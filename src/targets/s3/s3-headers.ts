import { createHash } from 'node:crypto';
import { contentType } from '../../base/content-types.ts';

/** What a file is stored with, for caches and browsers. */
export interface FileHeaders {
  readonly CacheControl: string;
  readonly ContentType: string;
}

/** Names under which another content may stand tomorrow, however they were sent. */
const MUTABLE = /(^|\/)(refs\/|summary(\.sig)?$|config$)|\.json$/;

/** Returns a year for what never changes under its name, a minute for all else. */
export function headersOf(path: string, immutable: boolean): FileHeaders {
  const fixed = immutable && !MUTABLE.test(path);
  return {
    CacheControl: fixed ? 'public, max-age=31536000, immutable' : 'public, max-age=60',
    ContentType: contentType(path),
  };
}

/** Returns the MD5 in the two spellings of S3: hex as in an ETag, base64 as in Content-MD5. */
export function md5Of(content: Uint8Array): { readonly hex: string; readonly base64: string } {
  const digest = createHash('md5').update(content).digest();
  return { hex: digest.toString('hex'), base64: digest.toString('base64') };
}
