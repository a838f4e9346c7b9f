import type { FolderEngineConfig } from '../../config/config.ts';
import type { Entry, Scan } from './scan-folder.ts';
import type { TreeNames } from './tree-names.ts';

/** An owner that an entry gets. */
export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/** An entry with where it goes in the tree, and whose it becomes. */
export interface Placed extends Owner {
  readonly entry: Entry;
  /** Absolute in the tree: /etc of the folder is in /usr/etc. */
  readonly path: string;
}

export interface TreePlan {
  readonly placed: readonly Placed[];
  /** What of /var becomes lines for systemd-tmpfiles; empty where that is not asked for. */
  readonly inVar: readonly Placed[];
}

export type TreeSettings = Pick<FolderEngineConfig, 'owner' | 'var'>;

/** Decides where everything in a folder goes. What cannot be committed has been refused before. */
export function planTree({ entries }: Scan, settings: TreeSettings, names: TreeNames): TreePlan {
  const own = entries.some(({ path }) => path === '/usr/etc');
  const all = entries.map((entry): Placed => {
    const inEtc = !own && (entry.path === '/etc' || entry.path.startsWith('/etc/'));
    return { entry, path: inEtc ? `/usr${entry.path}` : entry.path, ...ownerOf(entry, settings, names) };
  });
  if (settings.var === 'folders') return { placed: all, inVar: [] };
  const isBelowVar = ({ path }: Placed): boolean => path.startsWith('/var/');
  return { placed: all.filter((one) => !isBelowVar(one)), inVar: all.filter(isBelowVar) };
}

function ownerOf({ path, stat }: Entry, { owner }: TreeSettings, names: TreeNames): Owner {
  // The folder itself is whoever's it lies with; a tree's root is root's.
  if (owner === 'root' || path === '/') return { uid: 0, gid: 0 };
  const [uid, gid] = [Number(stat.uid), Number(stat.gid)];
  if (owner === 'keep') return { uid, gid };
  return { uid: isBuilders(uid, names.users) ? 0 : uid, gid: isBuilders(gid, names.groups) ? 0 : gid };
}

/** Ids below this belong to the system (login.defs, UID_MIN): a distribution gives them out, not a person. */
const FIRST_PERSON = 1000;

/** Whether an id can only be that of somebody on the machine where the tree was built. */
export function isBuilders(id: number, named: ReadonlyMap<number, string>): boolean {
  return id >= FIRST_PERSON && !named.has(id);
}
