import { pathToFileURL } from 'node:url';
import { oneLine } from './one-line.ts';

/**
 * One function for each language that texts are put into, beside those that have a home of their own: XML (xml-text.ts),
 * a terminal's line (one-line.ts), GVariant (engines/dnf/gvariant.ts), tmpfiles.d (engines/dnf/tree/tmpfiles.ts); HTML is
 * escaped by its templates. A text that replaces another one in a string goes through a function,
 * `replace(pattern, () => text)`: in a replacement that is a string `$&` and the like mean something.
 */

/** Returns a word of a shell's command line, whatever shell. */
export function shellWord(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** The same for people to read: without quotes where none are needed. */
export function plainShellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : shellWord(text);
}

/**
 * Returns a path as the value of an option of ssh (`-o UserKnownHostsFile=…`): quoted as ssh_config(5) says, and without a `%` that
 * stands for something. There is no way to write `${`, which a path must not have.
 */
export function sshOptionPath(path: string): string {
  return inQuotes(path.replaceAll('%', '%%'));
}

/** Returns a path in a batch of sftp(1) that names no pattern. */
export function sftpWord(path: string): string {
  return inQuotes(path);
}

/** Double quotes as OpenSSH's programs take them off again (misc.c, argv_split; sftp.c, makeargv). */
function inQuotes(text: string): string {
  return `"${text.replaceAll(/["\\]/g, '\\$&')}"`;
}

/** Returns a word of the command that rsync is given with `-e`: it splits that by rules of its own, which rsync(1) has. */
export function rsyncShellWord(text: string): string {
  return /^[\w./=-]+$/.test(text) ? text : `'${text.replaceAll("'", "''")}'`;
}

/** Returns a word of a GRUB script, whose quotes are a shell's (GRUB manual, "Quoting"); plain where it may be. */
export function grubWord(text: string): string {
  return plainShellWord(text);
}

/**
 * Returns a kernel argument in a boot loader entry that GRUB's blscfg reads, which makes a script of it (blscfg.c,
 * create_entry). The kernel takes the quotes off (lib/cmdline.c, next_arg); a shell's would be given to it as they are.
 */
export function blscfgWord(text: string): string {
  return /[;|&<>{}#\\]/.test(text) ? `"${text.replaceAll('\\', '\\\\')}"` : text;
}

/** Returns a text in a regular expression that stands for itself. */
export function regExpText(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

/** Returns a text in a spec file, on one line: `%` would start a macro. */
export function rpmText(text: string): string {
  return text.replace(/\s*[\r\n]+\s*/g, ' ').replaceAll('%', '%%');
}

/** Returns the value of an rpm macro, as in `--define`: a percent sign would start another. */
export function rpmMacro(text: string): string {
  return text.replaceAll('%', '%%');
}

/** Returns a value among QEMU's options, as in `file=…`: a comma would end it. */
export function qemuValue(text: string): string {
  return text.replaceAll(',', ',,');
}

/** Returns a path in a request to debugfs, whose quotes stand for themselves when they are doubled (libss). */
export function debugfsWord(text: string): string {
  return `"${text.replaceAll('"', '""')}"`;
}

/** Returns the URL of a path for a `.repo` file, where dnf puts values in place of `$basearch` and the like. */
export function repoFileUrl(path: string): string {
  return pathToFileURL(path).href.replaceAll('$', '%24');
}

/** Returns a value of a kickstart's option, in double quotes: pykickstart splits its lines with Python's shlex. */
export function kickstartText(text: string): string {
  return `"${text.replace(/[\\"]/g, '\\$&')}"`;
}

/** Returns a scalar of YAML, in double quotes: what JSON writes is YAML. */
export function yamlText(text: string): string {
  return JSON.stringify(text);
}

/** Returns a value as plain text in a line or the cell of a table of Markdown. */
export function markdownCell(value: unknown): string {
  return oneLine(value).replace(/[\\`*_[\]<>|&#!]/g, '\\$&');
}
