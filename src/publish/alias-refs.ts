import { posix } from 'node:path';
import { NightlyError } from '../base/errors.ts';
import type { Links, Target } from '../targets/target.ts';

/** Where the refs of a published repository are, one file each. */
export const HEADS_FOLDER = 'repo/refs/heads';

/** Links that lead to links; as many as Linux follows. */
const MOST_LINKS = 40;

/**
 * Returns the ref whose file a ref is in truth: itself as a rule, another one where it is an alias, which is a symbolic link
 * (`ostree refs --alias`), or lies in a folder that is one. Undefined for a link that leads to no ref: in a circle, or
 * elsewhere.
 * @param links below `HEADS_FOLDER`, whose paths and targets are as the file system has them
 */
export function refBehind(ref: string, links: Links): string | undefined {
  let path = `${HEADS_FOLDER}/${ref}`;
  for (let followed = 0; followed < MOST_LINKS; followed += 1) {
    if (!path.startsWith(`${HEADS_FOLDER}/`)) return undefined;
    const link = foldersOf(path).find((part) => links.has(part));
    if (link === undefined) return path.slice(HEADS_FOLDER.length + 1);
    const to = links.get(link) ?? '';
    if (to.startsWith('/')) return undefined;
    path = posix.join(posix.dirname(link), to, path.slice(link.length));
  }
  return undefined;
}

/** Returns a path with those above it, the highest first. */
function foldersOf(path: string): string[] {
  const parts = path.split('/');
  return parts.map((_, index) => parts.slice(0, index + 1).join('/'));
}

/** Returns those of some refs that are aliases of a ref, so that they name another commit as soon as it does. */
export function aliasesOf(ref: string, refs: Iterable<string>, links: Links): string[] {
  if (links.size === 0) return [];
  return [...refs].filter((other) => other !== ref && refBehind(other, links) === ref);
}

/**
 * Refuses to have an alias moved: its link would be replaced by a file, or by a folder with that file alone, or the ref behind
 * it would move, which nobody asked for.
 * @throws NightlyError `unsupported`, naming the ref it is an alias of.
 */
export function refuseAlias(ref: string, links: Links, target: Target): void {
  const behind = refBehind(ref, links);
  if (behind === ref) return;
  const what =
    behind === undefined
      ? 'a symbolic link that leads to no other ref'
      : `an alias of ${behind}, a symbolic link in ${HEADS_FOLDER}`;
  throw new NightlyError(
    'unsupported',
    `${ref} on target "${target.name}" is ${what}, so nothing is published to it.`,
    {
      hint:
        behind === undefined
          ? `Remove the link below ${HEADS_FOLDER} there, or publish to another ref.`
          : `Publish to ${behind}: the alias follows. Or remove the link there; then ${ref} becomes a ref of its own.`,
    },
  );
}
