/**
 * Returns the values of one group of a key file as GLib reads it, and with it ostree: blanks around the equals sign and
 * at the beginning of a line do not count, those at its end do, a line that begins with `#` says nothing, a group may
 * stand there in several parts, and of a key that is there twice the last one holds (gkeyfile.c,
 * `g_key_file_parse_line`). Lines that GLib refuses are passed over: whoever has such a repository hears it from
 * ostree.
 */
export function keyfileGroup(text: string, group: string): Map<string, string> {
  const values = new Map<string, string>();
  let current: string | undefined;
  for (const line of text.split(/\r?\n/)) {
    const trimmed = line.trimStart();
    const header = /^\[([^[\]]+)\]\s*$/.exec(trimmed);
    if (header) current = header[1];
    else if (current === group && !trimmed.startsWith('#')) {
      const [, key, value] = /^([^=]*[^=\s])\s*=\s*(.*)$/.exec(trimmed) ?? [];
      if (key !== undefined && value !== undefined) values.set(key, value);
    }
  }
  return values;
}
