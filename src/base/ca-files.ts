/** Files of certificates by the beginning of the addresses they vouch for: see trustAt. */
const caFiles = new Map<string, string>();

/**
 * Names the certificates that vouch for a server and everything below that address, in place of the system's: what the
 * configuration says of a target holds wherever something of it is read, by this program or by ostree.
 */
export function trustAt(url: string, caFile: string): void {
  caFiles.set(url.replace(/\/*$/, '/'), caFile);
}

/** Returns the file of certificates for an address, as trustAt was told; that of the longest beginning counts. */
export function caFileFor(url: string): string | undefined {
  const fitting = [...caFiles.keys()].filter((start) => `${url}/`.startsWith(start));
  return caFiles.get(fitting.sort((a, b) => b.length - a.length)[0] ?? '');
}
