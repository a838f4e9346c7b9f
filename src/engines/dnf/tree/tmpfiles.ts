import { NightlyError } from '../../../base/errors.ts';

/** Folder of configuration that systemd-tmpfiles reads in an image. */
export const TMPFILES = 'usr/lib/tmpfiles.d';

/**
 * Writes a path as all releases of systemd-tmpfiles read it: percent signs doubled, as they begin a specifier; in double
 * quotes where there is a blank or a quote, for only newer releases know escapes such as `\x20`.
 * @throws NightlyError `compose` when it has a line break: no release reads that
 */
export function escapePath(path: string): string {
  requireLine(path);
  const escaped = path.replaceAll('%', '%%').replace(/[\\"]/g, '\\$&');
  return /[\s'"\\]/.test(path) ? `"${escaped}"` : escaped;
}

/** Writes what a link leads to, the last field of its line. @throws NightlyError `compose` when it has a line break */
export function linkTarget(target: string): string {
  requireLine(target);
  return target.replaceAll('%', '%%');
}

function requireLine(text: string): void {
  if (!/[\n\r\0]/.test(text)) return;
  throw new NightlyError('compose', `${JSON.stringify(text)} has a line break, which tmpfiles.d cannot have.`, {
    hint: 'Hosts make what is in /var and /opt by tmpfiles.d. Find the package or script it is from, and exclude or correct it.',
  });
}
