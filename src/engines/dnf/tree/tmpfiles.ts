/** Folder of configuration that systemd-tmpfiles reads in an image. */
export const TMPFILES = 'usr/lib/tmpfiles.d';

/**
 * Writes a path as all releases of systemd-tmpfiles read it: percent signs doubled, as they begin a specifier; in double
 * quotes where there is a blank or a quote, for only newer releases know escapes such as `\x20`.
 */
export function escapePath(path: string): string {
  const escaped = path.replaceAll('%', '%%').replace(/[\\"]/g, '\\$&');
  return /[\s'"\\]/.test(path) ? `"${escaped}"` : escaped;
}
