/**
 * Whether a text can be the name of a ref: OSTree's own rule (ostree-core.c, `OSTREE_REF_REGEXP`), compared with the program
 * in test/ostree/ref.test.ts. It is words joined by "/", the first character of each neither "." nor "-".
 */
export function isRef(text: string): boolean {
  return /^[\p{L}\p{N}_][\p{L}\p{N}_.-]*(?:\/[\p{L}\p{N}_][\p{L}\p{N}_.-]*)*$/u.test(text);
}
