import { followInRoot } from '../../base/paths-in-root.ts';
import { readInTree } from '../../base/tree-files.ts';

/** Names of users and groups by id, as a tree has them. */
export interface TreeNames {
  readonly users: ReadonlyMap<number, string>;
  readonly groups: ReadonlyMap<number, string>;
}

const FOLDERS = ['usr/lib', 'usr/etc', 'etc'];

/** Reads the users and groups that a tree names itself; links are followed as inside the tree (I13). */
export async function readTreeNames(root: string): Promise<TreeNames> {
  return { users: await namesIn(root, 'passwd'), groups: await namesIn(root, 'group') };
}

async function namesIn(root: string, file: string): Promise<Map<number, string>> {
  const names = new Map<number, string>();
  for (const folder of FOLDERS) {
    const text = await readInTree(followInRoot(root, `${folder}/${file}`)).catch(() => undefined);
    for (const line of (text ?? '').split('\n')) {
      const [name = '', , id = ''] = line.split(':');
      if (/^\d+$/.test(id) && /^[\w.$-]+$/.test(name) && !names.has(Number(id))) names.set(Number(id), name);
    }
  }
  return names;
}
