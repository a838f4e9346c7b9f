import { createHash } from 'node:crypto';
import { FormatError } from './format-error.ts';

/**
 * The one reader of what repositories, lockfiles and programs call packages, repositories, files and checksums. Such names
 * become file names, arguments and keys, so nothing else passes: rpm itself builds no package with other characters
 * (build/parsePreamble.c, `ALLOWED_CHARS_NAME`), and dnf takes no repository with others in its id (dnf/repo.py).
 */

/** A file name of RPM files is made of it; no file system takes a longer one than 255 bytes. */
const MOST_CHARACTERS = 180;

/** Whether a text can be the name of a package. */
export function isPackageName(text: string): boolean {
  // A key that is not a key: as a member of an object it would set the prototype.
  return /^[A-Za-z0-9_][A-Za-z0-9_.+%{}-]*$/.test(text) && text.length <= MOST_CHARACTERS && text !== '__proto__';
}

/** Whether a text can be the id of a repository in a .repo file. */
export function isRepoId(text: string): boolean {
  return /^[A-Za-z0-9_.:-]+$/.test(text) && text !== '__proto__';
}

/** Hex digits of the checksums that may identify a package; the others that metadata may have can be forged. */
const HEX_LENGTH: Readonly<Record<string, number>> = { sha256: 64, sha384: 96, sha512: 128 };

/** Whether a text is `sha256:`, `sha384:` or `sha512:` and as many hex digits as such a checksum has. */
export function isDigest(text: string): boolean {
  const [, kind = '', hex = ''] = /^(sha256|sha384|sha512):([0-9a-f]+)$/.exec(text) ?? [];
  return HEX_LENGTH[kind] === hex.length;
}

/**
 * Returns a checksum element of repository metadata as `kind:hex`; undefined for kinds that count as no proof (MD5,
 * SHA-1).
 * @throws FormatError when it is of a kind that counts, but has not its form.
 */
export function readChecksum(kind: string, text: string): string | undefined {
  if (HEX_LENGTH[kind] === undefined) return undefined;
  const digest = `${kind}:${text.toLowerCase()}`;
  if (!isDigest(digest)) throw new FormatError(`it has a ${kind} checksum that is none: ${JSON.stringify(text)}`);
  return digest;
}

/** Whether bytes have a checksum as `readChecksum` gives it. */
export function hasDigest(bytes: Uint8Array, digest: string): boolean {
  const kind = digest.slice(0, digest.indexOf(':'));
  return `${kind}:${createHash(kind).update(bytes).digest('hex')}` === digest;
}

/**
 * Returns the URL of a file that repository metadata names by its path in the repository.
 * @param base URL of the repository, with a slash at its end
 * @param where in the metadata, for the message
 * @throws FormatError for a path that leads out of the repository, whatever way it is written, and for one that is none.
 */
export function urlInRepository(base: string, href: string, where: string): string {
  const bad = (why: string): FormatError =>
    new FormatError(`${where} has a location that ${why}: ${JSON.stringify(href)}`);
  if (href === '') throw bad('is empty');
  // No program that makes repositories writes these; in a URL they would mean something else than in a file name.
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  if (/[\u0000-\u001f\u007f\\?#]/.test(href)) throw bad('is not a path');
  if (/^[a-z][a-z0-9+.-]*:/i.test(href) || href.startsWith('/')) throw bad('leads out of the repository');
  for (const segment of href.split('/')) {
    const name = decodedSegment(segment);
    if (name === undefined) throw bad('is not a path');
    if (name === '..' || /[/\\]/.test(name) || name.includes('\0')) throw bad('leads out of the repository');
  }
  return `${base}${href}`;
}

/** Returns a part of a path without its percent-encoding; a lone `%` stands for itself, as curl takes it. */
function decodedSegment(segment: string): string | undefined {
  try {
    return decodeURIComponent(segment.replace(/%(?![0-9A-Fa-f]{2})/g, '%25'));
  } catch {
    return undefined;
  }
}
