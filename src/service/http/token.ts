import { randomBytes, timingSafeEqual } from 'node:crypto';
import { sha256 } from '../../base/files.ts';

/**
 * Tokens of the HTTP hook: 32 random bytes, so that a plain SHA-256 of one is as good at rest as a slow hash. The file
 * has a `sha256:HEX` a line, with a name behind it if one likes; `#` begins a comment.
 */
export function makeToken(): { readonly token: string; readonly hash: string } {
  const token = `ant_${randomBytes(32).toString('base64url')}`;
  return { token, hash: `sha256:${sha256(token)}` };
}

/** Whether a token is one of those in a file. Takes the same time whatever it is, and however much of it is right. */
export function isKnownToken(token: string, file: string): boolean {
  const digest = Buffer.from(sha256(token), 'hex');
  let known = false;
  for (const line of file.split('\n')) {
    const [, hex] = /^sha256:([0-9a-f]{64})(?:\s|$)/.exec(line) ?? [];
    if (hex !== undefined && timingSafeEqual(Buffer.from(hex, 'hex'), digest)) known = true;
  }
  return known;
}

/** Returns the token of an `Authorization: Bearer TOKEN` header (RFC 6750); undefined when there is none. */
export function bearerToken(header: string | undefined): string | undefined {
  return /^Bearer +([\w.~+/-]+=*)$/i.exec(header ?? '')?.[1];
}
