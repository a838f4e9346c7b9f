import { lstat, readlink } from 'node:fs/promises';
import { formatCount } from '../../../base/format.ts';
import type { Task } from '../../../base/task.ts';
import { kindOf, namesIn, readInTree, replaceInTree } from '../../../base/tree-files.ts';
import { escapePath, linkTarget, TMPFILES } from './tmpfiles.ts';
import { at, entry } from './tree-paths.ts';
import type { UserFiles } from './tree-users.ts';

/**
 * Turns what packages put into /var (and /run) into lines for systemd-tmpfiles, which makes it on every host: folders with
 * owner and mode, and links. A commit carries nothing in /var. Files there cannot be made that way and are left out, as
 * rpm-ostree leaves them out; they are named in the log.
 * @param links lines for what was moved out of /var and /opt before
 */
export async function varToTmpfiles(
  root: string,
  users: UserFiles,
  links: readonly string[],
  task: Task,
): Promise<void> {
  const declared = await declaredPaths(root);
  const lines: string[] = [...links];
  const dropped: string[] = [];
  await walk(root, '/var', { lines, dropped, declared, names: namesOf(users) });
  await walk(root, '/run', { lines, dropped: [], declared, names: namesOf(users) });
  if (lines.length > 0) {
    const header = '# What packages have in /var. Written by the compose.';
    const target = entry(root, TMPFILES, 'rpm-ostree-1-autovar.conf');
    await replaceInTree(target, `${[header, ...lines].join('\n')}\n`);
  }
  if (dropped.length > 0) {
    const list = dropped.slice(0, 5).join(', ');
    task.say(
      `left out of the tree: ${formatCount(dropped.length, 'file')} in /var (${list}${dropped.length > 5 ? ', …' : ''})`,
    );
  }
}

interface Walk {
  readonly lines: string[];
  readonly dropped: string[];
  readonly declared: ReadonlySet<string>;
  readonly names: { readonly user: ReadonlyMap<number, string>; readonly group: ReadonlyMap<number, string> };
}

/** Filled by rpm and its friends while the tree is put together: hosts get the folder, and nothing that is in it. */
const BUILD_LEFTOVERS = ['/var/lib/dnf', '/var/cache/dnf', '/var/cache/ldconfig', '/var/tmp'];

/** A link on hosts, made by the integration's own tmpfiles. */
const DATABASE = '/var/lib/rpm';

async function walk(root: string, path: string, found: Walk): Promise<void> {
  for (const name of await namesIn(at(root, path))) {
    const inner = `${path}/${name}`;
    if (inner === DATABASE) continue;
    const info = await lstat(entry(root, inner));
    const wanted = !found.declared.has(inner);
    if (info.isDirectory()) {
      const mode = (info.mode & 0o7777).toString(8).padStart(4, '0');
      const owner = found.names.user.get(info.uid) ?? String(info.uid);
      const group = found.names.group.get(info.gid) ?? String(info.gid);
      if (wanted) found.lines.push(`d ${escapePath(inner)} ${mode} ${owner} ${group} - -`);
      if (!BUILD_LEFTOVERS.includes(inner)) await walk(root, inner, found);
    } else if (info.isSymbolicLink()) {
      const target = await readlink(entry(root, inner));
      if (wanted) found.lines.push(`L ${escapePath(inner)} - - - - ${linkTarget(target)}`);
    } else found.dropped.push(inner);
  }
}

/** Paths that packages' own tmpfiles.d declares; saying them twice makes systemd-tmpfiles warn at every boot. */
export async function declaredPaths(root: string): Promise<Set<string>> {
  const declared = new Set<string>();
  for (const name of await namesIn(at(root, TMPFILES))) {
    if (!name.endsWith('.conf')) continue;
    const path = at(root, TMPFILES, name);
    // A link to /dev/null, or to what is not there, declares nothing.
    if ((await kindOf(path)) !== 'file') continue;
    const text = (await readInTree(path)) ?? '';
    for (const line of text.split('\n')) {
      const [type, path] = line.trim().split(/\s+/);
      if (type !== undefined && /^[dDvqQL]/.test(type) && path?.startsWith('/')) declared.add(path.replace(/\/$/, ''));
    }
  }
  return declared;
}

function namesOf(users: UserFiles) {
  const map = (lines: readonly string[]) =>
    new Map(
      lines
        .map((line) => line.split(':'))
        .map(([name = '', , id = '']) => [Number(id), name] as const)
        .reverse(),
    );
  return { user: map(users.passwd), group: map(users.group) };
}
