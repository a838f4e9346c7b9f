const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Returns the name that a file system has as bytes; undefined when they are not UTF-8, which OSTree cannot store. */
export function utf8Name(bytes: Uint8Array): string | undefined {
  try {
    return UTF8.decode(bytes);
  } catch {
    return undefined;
  }
}

const TEXT = new TextDecoder('utf-8', { fatal: true });

/** Returns the text of a file without its byte order mark; undefined when it is not UTF-8. */
export function utf8Text(bytes: Uint8Array): string | undefined {
  try {
    return TEXT.decode(bytes);
  } catch {
    return undefined;
  }
}

/** Returns such a name for messages: bytes that are not printable ASCII as `\\xff`. */
export function escapedName(bytes: Uint8Array): string {
  return Buffer.from(bytes)
    .toString('latin1')
    .replace(/[^ -~]/g, (one) => `\\x${one.charCodeAt(0).toString(16).padStart(2, '0')}`);
}
