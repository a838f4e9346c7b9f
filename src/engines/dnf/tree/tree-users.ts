import { NightlyError } from '../../../base/errors.ts';
import { kindOf, namesIn, readInTree, replaceInTree, rewriteInTree } from '../../../base/tree-files.ts';
import type { TreefileValues } from '../../../treefile/treefile-keys.ts';
import { at, entry } from './tree-paths.ts';

/** Lines of passwd and group. */
export interface UserFiles {
  readonly passwd: readonly string[];
  readonly group: readonly string[];
}

/** Lines of all files that accounts have lines in. */
export interface AccountFiles extends UserFiles {
  readonly shadow: readonly string[];
  readonly gshadow: readonly string[];
  readonly subuid: readonly string[];
  readonly subgid: readonly string[];
}

export type UserKind = keyof UserFiles;
export const USER_KINDS: readonly UserKind[] = ['passwd', 'group'];
export const ACCOUNT_KINDS: readonly (keyof AccountFiles)[] = [...USER_KINDS, 'shadow', 'gshadow', 'subuid', 'subgid'];

/** Returns the name of a line, and what check-passwd or check-groups compares: uid and gid, or gid. */
export function parseLine(line: string, kind: UserKind): { name: string; id: number; gid?: number } {
  const [name = '', , first = '', second = ''] = line.split(':');
  return { name, id: Number(first), ...(kind === 'passwd' ? { gid: Number(second) } : {}) };
}

/** Returns the name of the account that a line is of. */
export const nameOf = (line: string): string => line.split(':', 1)[0] ?? '';

/** The lines of such a file that are an account's. */
export const linesOf = (text: string): string[] => text.split('\n').filter((line) => /^[^:#+-][^:]*:/.test(line));

/** Returns the first line of each name. */
export function unique(lines: readonly string[]): string[] {
  return [...new Map(lines.toReversed().map((line) => [nameOf(line), line])).values()].toReversed();
}

/** Returns the account files of a tree whose /etc is in usr/etc already. */
export async function readAccounts(root: string): Promise<AccountFiles> {
  const read = async (kind: keyof AccountFiles): Promise<string[]> =>
    linesOf((await readInTree(at(root, `/etc/${kind}`))) ?? '');
  return {
    passwd: await read('passwd'),
    group: await read('group'),
    shadow: await read('shadow'),
    gshadow: await read('gshadow'),
    subuid: await read('subuid'),
    subgid: await read('subgid'),
  };
}

/**
 * Moves all users and groups but root's from usr/etc to usr/lib, where updates can reach them. Groups of
 * `etc-group-members` stay in usr/etc as well, so that an administrator can add members there.
 *
 * usr/lib is read through nss-altfiles. A tree without that module would not know its users at all, so there they are
 * kept in usr/etc as well.
 * @returns all users and groups, and whether they had to be kept.
 */
export async function splitUsers(
  root: string,
  values: TreefileValues,
): Promise<AccountFiles & { readonly kept: boolean }> {
  const users = await readAccounts(root);
  const members = values['etc-group-members'] ?? [];
  const kept = !(await hasAltfiles(root));
  for (const kind of USER_KINDS) {
    if (users[kind].length === 0) continue;
    const isRoot = (line: string): boolean => parseLine(line, kind).id === 0;
    const stays = (line: string): boolean =>
      kept || isRoot(line) || (kind === 'group' && members.includes(parseLine(line, kind).name));
    await rewriteInTree(at(root, `/etc/${kind}`), text(users[kind].filter(stays)));
    await replaceInTree(entry(root, 'usr/lib', kind), text(users[kind].filter((line) => !isRoot(line))));
  }
  if (!kept) await addAltfiles(root);
  return { ...users, kept };
}

/**
 * Users made during the compose have its day as the day of their last password change, so that the file would be another one
 * every night for nothing. An empty field means that no change is asked for by age.
 */
export async function settleShadow(root: string, timestamp: number): Promise<void> {
  const path = at(root, '/etc/shadow');
  const old = await readInTree(path);
  if (old === undefined) return;
  const today = String(Math.floor(timestamp / 86_400));
  const changed = old.replace(/^([^:\n]*:[^:\n]*:)(\d+)(?=:)/gm, (whole, before: string, day: string) =>
    day === today ? before : whole,
  );
  if (changed !== old) await rewriteInTree(path, changed);
}

/** Puts `altfiles` after `files` where passwd and group are looked up, unless it is there. */
async function addAltfiles(root: string): Promise<void> {
  const path = at(root, '/etc/nsswitch.conf');
  const old = await readInTree(path);
  if (old === undefined) {
    if ((await kindOf(entry(root, '/etc/nsswitch.conf'))) === undefined) return;
    throw new NightlyError(
      'compose',
      '/etc/nsswitch.conf of the tree is a link to what is not there, so hosts would not find the users in /usr/lib.',
      { hint: 'Find the package or script that makes the link, and have it bring the file as well.' },
    );
  }
  const changed = old.replace(/^((?:passwd|group):.*)$/gm, (line) =>
    /\baltfiles\b/.test(line) ? line : line.replace(/\bfiles\b/, 'files altfiles'),
  );
  if (changed !== old) await rewriteInTree(path, changed);
}

async function hasAltfiles(root: string): Promise<boolean> {
  const folders = ['usr/lib64', 'usr/lib'];
  for (const name of await namesIn(at(root, 'usr/lib'))) if (/-linux-gnu/.test(name)) folders.push(`usr/lib/${name}`);
  for (const folder of folders) {
    if ((await namesIn(at(root, folder))).includes('libnss_altfiles.so.2')) return true;
  }
  return false;
}

const text = (lines: readonly string[]): string => lines.map((line) => `${line}\n`).join('');
