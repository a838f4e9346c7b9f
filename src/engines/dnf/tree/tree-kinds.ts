import { type Dirent, readdirSync } from 'node:fs';
import { NightlyError } from '../../../base/errors.ts';
import { oneLine } from '../../../base/one-line.ts';
import { escapedName, utf8Name } from '../../../base/utf8-name.ts';
import { entry } from './tree-paths.ts';

/** Folders that are empty in a commit: what scripts leave in them goes anyway. And `etc`, a second name of usr/etc. */
const EMPTIED: ReadonlySet<string> = new Set(['dev', 'etc', 'proc', 'run', 'sys', 'tmp', 'var']);

/**
 * Refuses a tree in which scripts have left what a commit cannot hold: packages that have such were refused before.
 * @throws NightlyError `compose` naming each path.
 */
export function refuseStrange(root: string): void {
  const found: string[] = [];
  const todo = [''];
  for (let folder = todo.pop(); folder !== undefined; folder = todo.pop()) {
    for (const one of readdirSync(entry(root, folder), { withFileTypes: true, encoding: 'buffer' })) {
      const name = utf8Name(one.name);
      if (name === undefined) {
        found.push(`  ${oneLine(folder)}/${escapedName(one.name)}: a name that is not UTF-8`);
        continue;
      }
      if (folder === '' && EMPTIED.has(name)) continue;
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

function strangeKind(one: Dirent<Buffer>): string | undefined {
  if (one.isFIFO()) return 'a FIFO';
  if (one.isSocket()) return 'a socket';
  return one.isCharacterDevice() || one.isBlockDevice() ? 'a device' : undefined;
}
