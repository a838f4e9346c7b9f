/** What one check found. */
export interface CheckResult {
  /** What was looked at, as in `qemu-img` or `target buildlogs`. */
  readonly name: string;
  /** `missing` is something needed that is not there or does not work; `note` is worth knowing and no hindrance. */
  readonly state: 'ok' | 'missing' | 'note';
  /** One sentence or a version. */
  readonly detail: string;
  /** Packages that bring what is missing; none where what is installed does not work. */
  readonly install?: { readonly debian: string; readonly fedora: string } | undefined;
}

/** Compares versions as lists of numbers: whether `found` is at least `wanted`. */
export function isAtLeast(found: string, wanted: string): boolean {
  const [a, b] = [found, wanted].map((version) => version.split('.').map(Number));
  for (const [index, part] of (b ?? []).entries()) {
    const other = a?.[index] ?? 0;
    if (other !== part) return other > part;
  }
  return true;
}
