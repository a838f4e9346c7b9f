import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { entryInRoot } from '../base/paths-in-root.ts';
import { type Accounts, ownerOf } from './lab-accounts.ts';
import { FILESYSTEM_FOLDERS } from './own-packages.ts';
import type { PackagedFile } from './spec.ts';

const SHARED_FOLDERS: ReadonlySet<string> = new Set(
  FILESYSTEM_FOLDERS.map((folder) => `/${typeof folder === 'string' ? folder : folder[0]}`),
);

/**
 * Returns every path below a build root as RPM should list it: configuration files marked, documentation and
 * translations too, owners and file capabilities set. Folders that belong to `filesystem` are left out unless
 * `ownShared` is set.
 */
export async function packagedFiles(
  root: string,
  options: {
    readonly conffiles: ReadonlySet<string>;
    readonly capabilities: ReadonlyMap<string, string>;
    readonly accounts: Accounts;
    readonly ownShared?: boolean;
  },
): Promise<readonly PackagedFile[]> {
  const found: PackagedFile[] = [];
  const walk = async (folder: string): Promise<void> => {
    const entries = await readdir(entryInRoot(root, folder), { withFileTypes: true });
    for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const path = `${folder}/${entry.name}`;
      const { uid, gid } = await lstat(entryInRoot(root, path));
      const owner = ownerOf(options.accounts, path, uid, gid);
      if (!entry.isDirectory()) {
        found.push({
          path,
          kind: 'file',
          owner,
          ...marks(path, options.conffiles),
          ...capability(options.capabilities, path),
        });
        continue;
      }
      if (options.ownShared || !SHARED_FOLDERS.has(path)) {
        found.push({ path, kind: 'folder', owner, ...language(path) });
      }
      await walk(path);
    }
  };
  await walk('');
  return found;
}

function marks(path: string, conffiles: ReadonlySet<string>): Partial<PackagedFile> {
  if (conffiles.has(path)) return { mark: 'config' };
  if (/^\/usr\/share\/(doc|man|info)\//.test(path)) return { mark: 'doc', ...language(path) };
  return language(path);
}

/** Translations lie in share/locale/LANG/ and share/man/LANG/. */
function language(path: string): { lang?: string } {
  const lang =
    /^\/usr\/share\/locale\/([^/]+)/.exec(path)?.[1] ?? /^\/usr\/share\/man\/(?!man\d)([^/]+)/.exec(path)?.[1];
  return lang === undefined ? {} : { lang };
}

const capability = (all: ReadonlyMap<string, string>, path: string): { capabilities?: string } => {
  const capabilities = all.get(path);
  return capabilities === undefined ? {} : { capabilities };
};

/** Returns the latest modification time below a folder, in whole seconds: the build time of a package made of it. */
export async function latestTime(root: string): Promise<number> {
  let latest = 0;
  for (const entry of await readdir(root, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile()) continue;
    const { mtimeMs } = await lstat(join(entry.parentPath, entry.name));
    latest = Math.max(latest, Math.floor(mtimeMs / 1000));
  }
  return latest;
}
