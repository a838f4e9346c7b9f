import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { NightlyError } from '../base/errors.ts';
import { PACKAGE_GROUPS, PACKAGE_USERS } from './lab-packages.ts';

/** Names of the numbers of the lab's users and groups. */
export interface Accounts {
  readonly users: ReadonlyMap<number, string>;
  readonly groups: ReadonlyMap<number, string>;
}

/**
 * Reads the accounts of the `setup` package and adds those that other packages bring: RPM stores owners by name, a .deb
 * gives numbers once unpacked.
 */
export async function readAccounts(setupRoot: string): Promise<Accounts> {
  return {
    users: numbers(
      await readFile(join(setupRoot, 'etc/passwd'), 'utf8'),
      PACKAGE_USERS.map(({ name, id }) => [name, id]),
    ),
    groups: numbers(await readFile(join(setupRoot, 'etc/group'), 'utf8'), PACKAGE_GROUPS),
  };
}

function numbers(text: string, more: readonly (readonly [name: string, id: number])[]): ReadonlyMap<number, string> {
  const names = new Map(more.map(([name, id]) => [id, name]));
  for (const line of text.split('\n')) {
    const [name, , id] = line.split(':');
    if (name && id !== undefined) names.set(Number(id), name);
  }
  return names;
}

/**
 * Returns the owner of a path when it is not root's: `{user, group}`. @throws NightlyError `unsupported` for an unknown
 * number.
 */
export function ownerOf(
  accounts: Accounts,
  path: string,
  uid: number,
  gid: number,
): { readonly user: string; readonly group: string } | undefined {
  if (uid === 0 && gid === 0) return undefined;
  const user = accounts.users.get(uid);
  const group = accounts.groups.get(gid);
  if (user === undefined || group === undefined) {
    throw new NightlyError('unsupported', `${path} belongs to ${uid}:${gid}, which the lab has no account for.`, {
      hint: 'Add it to lab-packages/setup/root/etc/passwd or group, or to the package that brings it in src/lab/lab-packages.ts.',
    });
  }
  return { user, group };
}
