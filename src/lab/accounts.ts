import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { NightlyError } from '../errors.ts';

/** Names of the numbers of the lab's users and groups. */
export interface Accounts {
  readonly users: ReadonlyMap<number, string>;
  readonly groups: ReadonlyMap<number, string>;
}

/** Reads the accounts of the `setup` package: RPM stores owners by name, a .deb gives numbers once unpacked. */
export async function readAccounts(setupRoot: string): Promise<Accounts> {
  return {
    users: numbers(await readFile(join(setupRoot, 'etc/passwd'), 'utf8')),
    groups: numbers(await readFile(join(setupRoot, 'etc/group'), 'utf8')),
  };
}

function numbers(text: string): ReadonlyMap<number, string> {
  const names = new Map<number, string>();
  for (const line of text.split('\n')) {
    const [name, , id] = line.split(':');
    if (name && id !== undefined) names.set(Number(id), name);
  }
  return names;
}

/** The owner of a path when it is not root's: `{user, group}`. @throws NightlyError `unsupported` for an unknown number. */
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
      hint: 'Add it to lab-packages/setup/root/etc/passwd or group.',
    });
  }
  return { user, group };
}
