/**
 * Patterns of tags and templates of paths, with named parts: `<sig><release>-<project>-release` finds in
 * `storage7-gluster-7-release` the SIG `storage`, the release `7` and the project `gluster-7`. A part becomes one component of
 * a path at most: it holds no slash, and begins with a letter or digit (I12).
 */

/** The values of the named parts. */
export type TagParts = Readonly<Record<string, string>>;

/** A release begins where the SIG ends, so these two are told apart by their characters; any other part takes what it finds. */
const PART: Readonly<Record<string, string>> = { sig: '[a-z]+', release: '[0-9]+s?' };
const ANY_PART = '[A-Za-z0-9][A-Za-z0-9._+-]*';

/** `<arch>` in a template is not a part of a tag. */
export const ARCH = 'arch';

const NAME = /<([a-z][a-z0-9-]*)>/g;

/** Returns the names of the parts in a pattern or template, each as often as it stands there. */
export const partNames = (pattern: string): string[] => [...pattern.matchAll(NAME)].map(([, name = '']) => name);

/** Returns the parts of a tag; undefined for a tag that does not fit the pattern. */
export function matchTag(pattern: string, tag: string): TagParts | undefined {
  const source = pattern.split(NAME).map((piece, at) => (at % 2 === 0 ? literal(piece) : group(piece)));
  const found = new RegExp(`^${source.join('')}$`).exec(tag);
  if (!found) return undefined;
  return Object.fromEntries(partNames(pattern).map((name, at) => [name, found[at + 1] ?? '']));
}

/** Returns a template with its parts filled in. `undefined` for one that names a part which is not there. */
export function fillParts(template: string, parts: TagParts): string | undefined {
  const missing = partNames(template).some((name) => !Object.hasOwn(parts, name));
  return missing ? undefined : template.replace(NAME, (_, name: string) => parts[name] ?? '');
}

/** Returns the pattern that koji's `listTags` takes for tags that may fit: with `*` for each part. */
export const hubPattern = (pattern: string): string => pattern.replace(NAME, '*');

/** Returns the major release of CentOS that a release part names: 8 for `8s`. */
export function majorRelease(release: string | undefined): number | undefined {
  const number = /^[0-9]{1,3}(?=s?$)/.exec(release ?? '')?.[0];
  return number === undefined ? undefined : Number(number);
}

const literal = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
const group = (name: string): string => `(${Object.hasOwn(PART, name) ? PART[name] : ANY_PART})`;
