import { type Dirent, lstatSync, readdirSync, rmSync } from 'node:fs';
import { NightlyError } from '../../../base/errors.ts';
import { oneLine } from '../../../base/one-line.ts';
import { escapedName, utf8Name } from '../../../base/utf8-name.ts';
import { entry, etcOf } from './tree-paths.ts';

/** Folders that are empty in a commit: what scripts leave in them goes anyway. */
const EMPTIED: ReadonlySet<string> = new Set(['dev', 'proc', 'run', 'sys', 'tmp', 'var']);

/** Folders that programs which run for the tree see: a link may lead there, and opening a FIFO blocks for ever. */
const VISIBLE = ['run', 'tmp', 'var'];

/**
 * Refuses a tree in which scripts have left what a commit cannot hold: packages that have such were refused before. What of that
 * is in folders that are emptied anyway is removed, so that no program that runs next waits for a FIFO (I7).
 * @throws NightlyError `compose` naming each path.
 */
export function refuseStrange(root: string): void {
  for (const folder of VISIBLE) removeStrange(root, folder);
  const found: string[] = [];
  // Once the tree keeps it in usr/etc, a second name of that.
  const skipped = etcOf(root) === undefined ? EMPTIED : new Set([...EMPTIED, 'etc']);
  const todo = [''];
  for (let folder = todo.pop(); folder !== undefined; folder = todo.pop()) {
    for (const one of readdirSync(entry(root, folder), { withFileTypes: true, encoding: 'buffer' })) {
      const name = utf8Name(one.name);
      if (name === undefined) {
        found.push(`  ${oneLine(folder)}/${escapedName(one.name)}: a name that is not UTF-8`);
        continue;
      }
      if (folder === '' && skipped.has(name)) continue;
      const path = `${folder}/${name}`;
      if (/\p{Cc}/u.test(name))
        found.push(`  ${oneLine(folder)}/${escapedName(one.name)}: a name with a control character`);
      const kind = strangeKind(one);
      if (kind !== undefined) found.push(`  ${oneLine(path)}: ${kind}`);
      else if (one.isDirectory()) todo.push(path);
    }
  }
  if (found.length === 0) return;
  throw new NightlyError('compose', `An OSTree commit cannot hold what scripts made:\n${found.sort().join('\n')}`, {
    hint: 'Find the package or script of the treefile that makes it; what hosts need at run time belongs into tmpfiles.d.',
  });
}

function removeStrange(root: string, top: string): void {
  const folder = entry(root, top);
  if (lstatSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) return;
  const todo = [folder];
  for (let path = todo.pop(); path !== undefined; path = todo.pop()) {
    for (const one of readdirSync(path, { withFileTypes: true })) {
      // Its parents are folders and no links, and it is not opened.
      const inside = `${path}/${one.name}`;
      if (strangeKind(one) !== undefined) rmSync(inside);
      else if (one.isDirectory()) todo.push(inside);
    }
  }
}

function strangeKind(
  one: Pick<Dirent<Buffer>, 'isFIFO' | 'isSocket' | 'isCharacterDevice' | 'isBlockDevice'>,
): string | undefined {
  if (one.isFIFO()) return 'a FIFO';
  if (one.isSocket()) return 'a socket';
  return one.isCharacterDevice() || one.isBlockDevice() ? 'a device' : undefined;
}
