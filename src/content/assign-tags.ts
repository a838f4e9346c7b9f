import { fitsGlob } from '../base/glob.ts';
import type { ContentConfig, ContentRule } from '../config/config.ts';
import { fillParts, majorRelease, matchTag, type TagParts } from '../config/tag-pattern.ts';

/** Where one kind of a tag's repositories goes. `path` has `<arch>` in it still, but for sources. */
export interface ContentPlace {
  readonly target: string;
  readonly path: string;
}

/** A tag with what its rule makes of it. */
export interface AssignedTag {
  readonly tag: string;
  readonly level: ContentRule['level'];
  /** Name of the key that signs. */
  readonly key: string;
  /** Major release of CentOS whose tools read it. */
  readonly release: number;
  readonly packages: ContentPlace;
  readonly debuginfo: ContentPlace | undefined;
  readonly source: ContentPlace | undefined;
}

/** Tags of the hub with what becomes of each. */
export interface Assignment {
  readonly assigned: readonly AssignedTag[];
  /** Tags that are left alone because the configuration does not say one thing of them. */
  readonly faults: readonly { readonly tag: string; readonly why: string }[];
}

/** Returns what the rules make of tags; those that no rule fits, and excluded ones, are in neither list. */
export function assignTags(content: ContentConfig, tags: readonly string[]): Assignment {
  const assigned: AssignedTag[] = [];
  const faults: { tag: string; why: string }[] = [];
  for (const tag of [...new Set(tags)].sort()) {
    if (content.exclude.some((pattern) => fitsGlob(pattern, tag))) continue;
    const fitting = content.rules.flatMap((rule) => {
      const parts = matchTag(rule.tags, tag);
      return parts ? [{ rule, parts }] : [];
    });
    const [first, second] = fitting;
    if (!first) continue;
    const made = second
      ? `two rules claim it: ${first.rule.tags} and ${second.rule.tags}`
      : assign(tag, first.rule, first.parts, content);
    if (typeof made === 'string') faults.push({ tag, why: made });
    else assigned.push(made);
  }
  const clashes = placeClashes(assigned);
  return {
    assigned: assigned.filter(({ tag }) => !clashes.has(tag)),
    faults: [...faults, ...[...clashes].map(([tag, why]) => ({ tag, why }))],
  };
}

function assign(tag: string, rule: ContentRule, parts: TagParts, content: ContentConfig): AssignedTag | string {
  const key = fillParts(rule.key, parts);
  if (key === undefined || !Object.hasOwn(content.keys, key))
    return `there is no key "${key ?? rule.key}" in content.keys`;
  const release = rule.release ?? majorRelease(parts['release']);
  if (release === undefined) return 'its name does not tell the release';
  const place = (where: ContentPlace | undefined): ContentPlace | undefined => {
    const path = where && fillParts(where.path, { ...parts, arch: '<arch>' });
    return where && path !== undefined ? { target: where.target, path } : undefined;
  };
  const packages = place(rule);
  if (packages === undefined) return 'its path names a part that the tag has not';
  const [debuginfo, source] = [place(rule.debuginfo), place(rule.source)];
  return { tag, level: rule.level, key, release, packages, debuginfo, source };
}

/** Tags of which a folder is that of another, or lies in it: with any architecture in place of `<arch>`. */
function placeClashes(tags: readonly AssignedTag[]): Map<string, string> {
  const clashes = new Map<string, string>();
  const folders = tags
    .flatMap(({ tag, packages, debuginfo, source }) =>
      [packages, debuginfo, source].flatMap((place) =>
        place ? [{ tag, folder: `${place.target}/${place.path}/` }] : [],
      ),
    )
    .sort((a, b) => (a.folder < b.folder ? -1 : 1));
  for (const [at, { tag, folder }] of folders.entries()) {
    for (const other of folders.slice(at + 1)) {
      if (!other.folder.startsWith(folder)) break;
      const where = folder.slice(folder.indexOf('/') + 1, -1);
      clashes.set(tag, `it would be published to ${where}, as ${other.tag}`);
      clashes.set(other.tag, `it would be published to ${where}, as ${tag}`);
    }
  }
  return clashes;
}
