const LONGEST = 32;

/**
 * Returns the volume id of an installer, `NAME-VERSION`: what GRUB and the initramfs look for, so it is the same for
 * every build of a version. ECMA-119 allows 32 of A-Z, 0-9 and _; a hyphen is beyond it, but is used by all
 * distributions and needs no escape in /dev/disk/by-label. Of a long name the start is kept, and the version whole.
 */
export function volumeId(name: string, version: string): string {
  const allowed = (text: string) => text.toUpperCase().replaceAll(/[^A-Z0-9_-]/g, '_');
  const tail = `-${allowed(version)}`.slice(0, LONGEST - 1);
  return `${allowed(name).slice(0, LONGEST - tail.length)}${tail}`;
}
