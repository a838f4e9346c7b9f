/** What an os-release file says of a system; empty where it says nothing. */
export interface OsRelease {
  /** Lower-case identifier, such as `centos`. */
  readonly id: string;
  readonly name: string;
  readonly versionId: string;
}

/**
 * Reads an os-release file. Lines that are no assignment are skipped, as others that read such files do.
 * Format: os-release(5), a part of the shell's syntax: of several assignments the last counts, a value may be quoted.
 */
export function parseOsRelease(text: string): OsRelease {
  const values = new Map<string, string>();
  for (const line of text.split('\n')) {
    const [, key, value] = /^([A-Z][A-Z0-9_]*)=(.*)$/.exec(line.trim()) ?? [];
    if (key !== undefined && value !== undefined) values.set(key, unquoted(value));
  }
  const id = (values.get('ID') ?? '').toLowerCase();
  return {
    id: /^[a-z0-9._-]+$/.test(id) ? id : 'linux',
    name: values.get('NAME') ?? '',
    versionId: values.get('VERSION_ID') ?? '',
  };
}

function unquoted(value: string): string {
  const [, quote, inside] = /^(["'])(.*)\1$/.exec(value) ?? [];
  if (inside === undefined) return value;
  return quote === "'" ? inside : inside.replace(/\\([\\"$`])/g, '$1');
}
