import { createHash } from 'node:crypto';
import { constants, type Stats } from 'node:fs';
import { access, readdir, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { type Fault, NightlyError, type SourcePlace } from '../base/errors.ts';
import { ifThere, isErrno, readRegular, sha256, sha256File } from '../base/files.ts';
import { withoutCredentials } from '../rpm/repofile.ts';
import type { Item } from './item.ts';
import type { Layer } from './layer.ts';
import type { AddFile, CheckGroups, CheckPasswd } from './structures.ts';
import type { KeyName, TreefileValues } from './treefile-keys.ts';

const FILE_KEYS = [
  'postprocess-script',
  'add-files',
  'check-passwd',
  'check-groups',
] as const satisfies readonly KeyName[];

/**
 * Makes the paths of other files that a treefile names absolute, each against the folder of that treefile, and checks
 * that they are there: also those that a merge will drop, as rpm-ostree does. `written` collects absolute to written.
 */
export async function resolveExternals(
  layer: Layer,
  treefile: string,
  written: Map<string, string>,
  faults: Fault[],
): Promise<void> {
  for (const key of FILE_KEYS) {
    const part = layer.get(key);
    if (!part) continue;
    const items: Item[] = [];
    for (const item of part.items) {
      const name = fileOf(key, item.value);
      if (name === undefined) {
        items.push(item);
        continue;
      }
      const path = resolve(dirname(treefile), name);
      written.set(path, name);
      items.push({ ...item, value: withFile(key, item.value, path) });
      await checkFile(key, path, item.place, faults);
    }
    layer.set(key, { ...part, items });
  }
}

async function checkFile(key: KeyName, path: string, place: SourcePlace, faults: Fault[]): Promise<void> {
  const found = await statOrReason(path);
  if (typeof found === 'string') faults.push({ place, message: `${key}: ${path} ${found}.` });
  else if (!found.isFile()) faults.push({ place, message: `${key}: ${path} is not a file.` });
  else if (key === 'postprocess-script' && (found.mode & 0o111) === 0) {
    faults.push({ place, message: `${key}: ${path} is not executable; chmod +x makes it so.` });
  }
}

/** Returns what is at a path, or why that cannot be told, as the end of a sentence. */
export async function statOrReason(path: string): Promise<Stats | string> {
  try {
    const found = await stat(path);
    await access(path, constants.R_OK);
    return found;
  } catch (error) {
    if (isErrno(error, 'ENOENT') || isErrno(error, 'ENOTDIR')) return 'does not exist';
    if (isErrno(error, 'EACCES')) return 'cannot be read: no permission';
    if (isErrno(error, 'ELOOP')) return 'leads in a circle of links';
    if (isErrno(error, 'ENAMETOOLONG')) return 'is longer than a path may be';
    throw error;
  }
}

function fileOf(key: KeyName, value: unknown): string | undefined {
  if (key === 'postprocess-script') return value as string;
  if (key === 'add-files') return (value as AddFile)[0];
  const check = value as CheckPasswd | CheckGroups;
  return check.type === 'file' ? check.filename : undefined;
}

function withFile(key: KeyName, value: unknown, path: string): unknown {
  if (key === 'postprocess-script') return path;
  if (key === 'add-files') return [path, (value as AddFile)[1]];
  return { ...(value as CheckPasswd | CheckGroups), filename: path };
}

/**
 * Returns the executables of `finalize.d` beside a treefile, name to path. rpm-ostree runs them on the build host over
 * the finished tree; of equal names the one of the treefile included last counts.
 */
export async function finalizeScripts(treefile: string): Promise<ReadonlyMap<string, string>> {
  const folder = join(dirname(treefile), 'finalize.d');
  const found = new Map<string, string>();
  for (const name of await namesIn(folder)) {
    const path = join(folder, name);
    const status = await ifThere(stat(path));
    if (status?.isFile() && (status.mode & constants.S_IXUSR) !== 0) found.set(name, path);
  }
  return found;
}

/**
 * Returns the `*.repo` files beside a treefile, sorted by name.
 * @throws NightlyError `treefile` for one that is not a file, or a link to nothing: a FIFO would be waited for without an end
 */
export async function repoFilesBeside(treefile: string): Promise<string[]> {
  const folder = dirname(treefile);
  const paths = (await namesIn(folder)).filter((name) => name.endsWith('.repo')).map((name) => join(folder, name));
  for (const path of paths) {
    const found = await statOrReason(path);
    if (typeof found !== 'string' && found.isFile()) continue;
    throw new NightlyError('treefile', `${path} ${typeof found === 'string' ? found : 'is not a file'}.`, {
      hint: 'Correct or remove it: every .repo file beside a treefile is read.',
    });
  }
  return paths;
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).sort((a, b) => (a < b ? -1 : 1));
  } catch (error) {
    if (isErrno(error, 'ENOENT') || isErrno(error, 'ENOTDIR')) return [];
    throw error;
  }
}

/** Returns the files on this host that the flattened values name, in the order of the keys. */
export function externalFiles(values: TreefileValues): string[] {
  const { 'postprocess-script': script, 'check-passwd': passwd, 'check-groups': groups } = values;
  return [
    ...(script === undefined ? [] : [script]),
    ...(values['add-files'] ?? []).map(([source]) => source),
    ...(passwd?.type === 'file' ? [passwd.filename] : []),
    ...(groups?.type === 'file' ? [groups.filename] : []),
    ...(values['finalize.d'] ?? []),
  ];
}

/**
 * SHA-256 over the flattened treefile (as text with the paths as written) and what the files beside it hold. Permission
 * bits of added files count, since they go into the tree with them; folders do not, so the whole can move.
 */
export async function treefileDigest(
  json: string,
  values: TreefileValues,
  repoFiles: readonly string[],
): Promise<string> {
  const hash = createHash('sha256').update(`${json}\n`);
  const added = new Set((values['add-files'] ?? []).map(([source]) => source));
  for (const path of externalFiles(values)) {
    const mode = added.has(path) ? ((await stat(path)).mode & 0o7777).toString(8) : '-';
    hash.update(`file ${mode} ${await sha256File(path)}\n`);
  }
  // A password that changes is no change of the treefile, and a copy has none.
  for (const path of repoFiles) {
    const content = withoutCredentials((await readRegular(path)).toString('latin1'));
    hash.update(`repo ${basename(path)} ${sha256(Buffer.from(content, 'latin1'))}\n`);
  }
  return hash.digest('hex');
}
