import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { NightlyError } from '../../../errors.ts';
import { readTextIfExists, writeJson } from '../../../tools/files.ts';
import { catFile } from '../../../tools/ostree.ts';
import type { Task } from '../../../tools/task.ts';
import type { TreefileValues } from '../../../treefile/keys.ts';
import type { Treefile } from '../../../treefile/treefile.ts';
import { namesIn } from './paths.ts';

/** Lines of passwd and group. */
export interface UserFiles {
  readonly passwd: readonly string[];
  readonly group: readonly string[];
}

const NO_USERS: UserFiles = { passwd: [], group: [] };
type Kind = keyof UserFiles;
const KINDS: readonly Kind[] = ['passwd', 'group'];

/** Name of a line, and what check-passwd or check-groups compares: uid and gid, or gid. */
function parseLine(line: string, kind: Kind): { name: string; id: number; gid?: number } {
  const [name = '', , first = '', second = ''] = line.split(':');
  return { name, id: Number(first), ...(kind === 'passwd' ? { gid: Number(second) } : {}) };
}

const linesOf = (text: string): string[] => text.split('\n').filter((line) => /^[^:#+-][^:]*:/.test(line));

/**
 * Users and groups as the commit before had them: etc's and lib's together. From this engine's own record of that
 * commit, else from the commit itself; a record is needed because a night usually has only the commit object of its
 * parent, without the files.
 * @throws NightlyError `compose` when neither has them.
 */
export async function previousUsers(
  from: { readonly cacheDir: string; readonly repo: string; readonly parent: string | undefined },
  task: Task,
): Promise<UserFiles> {
  const { parent } = from;
  if (parent === undefined) return NO_USERS;
  const record = await readTextIfExists(recordPath(from.cacheDir));
  if (record !== undefined) {
    const known = JSON.parse(record) as { readonly commit: string } & UserFiles;
    if (known.commit === parent) return { passwd: known.passwd, group: known.group };
  }
  const read = async (kind: Kind): Promise<string[]> => {
    const etc = await catFile(from.repo, parent, `/usr/etc/${kind}`, task);
    const lib = await catFile(from.repo, parent, `/usr/lib/${kind}`, task);
    if (etc === undefined || lib === undefined) {
      throw new NightlyError(
        'compose',
        `The ${kind} file of the commit before (${parent}) is needed to keep ids as they are, but is not in ${from.repo}.`,
        {
          hint: `Pull it whole: "ostree pull --repo=${from.repo} REMOTE ${parent}"; or set check-passwd and check-groups to another type than previous.`,
        },
      );
    }
    return unique([...linesOf(etc), ...linesOf(lib)]);
  };
  return { passwd: await read('passwd'), group: await read('group') };
}

/** Remembers a commit's users for the night after. */
export async function rememberUsers(cacheDir: string, commit: string, users: UserFiles): Promise<void> {
  await writeJson(recordPath(cacheDir), { commit, ...users });
}

const recordPath = (cacheDir: string): string => join(cacheDir, 'users.json');

/** What a treefile wants the users of a tree to be compared with, and which are put there before packages add theirs. */
export interface ExpectedUsers {
  readonly seed: UserFiles;
  readonly expected: Readonly<Record<Kind, ReadonlyMap<string, { readonly id: number; readonly gid?: number }>>>;
}

/** Reads what check-passwd and check-groups name. Both default to the commit before, as in rpm-ostree. */
export async function expectedUsers(treefile: Treefile, previous: () => Promise<UserFiles>): Promise<ExpectedUsers> {
  const { values } = treefile;
  const checks = {
    passwd: values['check-passwd'] ?? { type: 'previous' },
    group: values['check-groups'] ?? { type: 'previous' },
  } as const;
  const usesPrevious = checks.passwd.type === 'previous' || checks.group.type === 'previous';
  const before = usesPrevious ? await previous() : NO_USERS;
  const lines = async (kind: Kind): Promise<readonly string[]> => {
    const check = checks[kind];
    switch (check.type) {
      case 'previous':
        return before[kind];
      case 'file':
        return linesOf(await readFile(check.filename, 'utf8'));
      case 'data':
      case 'none':
        return [];
    }
  };
  const fromLines = (found: readonly string[], kind: Kind) =>
    new Map(found.map((line) => parseLine(line, kind)).map(({ name, ...ids }) => [name, ids] as const));
  const passwd = await lines('passwd');
  const group = await lines('group');
  const keep = values['preserve-passwd'] !== false;
  return {
    seed: keep ? { passwd, group } : NO_USERS,
    expected: {
      passwd: checks.passwd.type === 'data' ? fromData(checks.passwd.entries) : fromLines(passwd, 'passwd'),
      group: checks.group.type === 'data' ? fromData(checks.group.entries) : fromLines(group, 'group'),
    },
  };
}

function fromData(entries: Readonly<Record<string, number | readonly number[]>>) {
  return new Map(
    Object.entries(entries).map(([name, ids]) => {
      const [id = 0, gid] = typeof ids === 'number' ? [ids] : ids;
      return [name, { id, ...(gid === undefined ? {} : { gid }) }] as const;
    }),
  );
}

/** The users and groups of a tree that still has /etc or already usr/etc. */
export async function readUsers(etc: string): Promise<UserFiles> {
  const read = async (kind: Kind): Promise<string[]> => linesOf((await readTextIfExists(join(etc, kind))) ?? '');
  return { passwd: await read('passwd'), group: await read('group') };
}

/**
 * Compares a tree's users and groups with the expected ones: an id that changed, or a name that is gone and not in
 * `ignore-removed-*`, is refused, because files on running hosts belong to the number, not to the name.
 * @throws NightlyError `compose`, naming each.
 */
export function checkUsers(users: UserFiles, { expected }: ExpectedUsers, values: TreefileValues): void {
  const faults: string[] = [];
  const ignored = { passwd: values['ignore-removed-users'] ?? [], group: values['ignore-removed-groups'] ?? [] };
  for (const kind of KINDS) {
    const now = new Map(users[kind].map((line) => parseLine(line, kind)).map((entry) => [entry.name, entry]));
    const word = kind === 'passwd' ? 'user' : 'group';
    for (const [name, want] of expected[kind]) {
      const have = now.get(name);
      if (!have) {
        if (!ignored[kind].includes(name) && !ignored[kind].includes('*')) faults.push(`  ${word} ${name} is gone`);
      } else if (have.id !== want.id) {
        faults.push(`  ${word} ${name} has id ${have.id}, it was ${want.id}`);
      } else if (want.gid !== undefined && have.gid !== want.gid) {
        faults.push(`  ${word} ${name} has group ${have.gid}, it was ${want.gid}`);
      }
    }
  }
  if (faults.length === 0) return;
  throw new NightlyError(
    'compose',
    `Users and groups differ from what check-passwd and check-groups expect:\n${faults.join('\n')}`,
    {
      hint: 'Files on running hosts belong to the old numbers. If a name is meant to go, list it in ignore-removed-users or -groups.',
    },
  );
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
): Promise<UserFiles & { readonly kept: boolean }> {
  const etc = join(root, 'usr/etc');
  const users = await readUsers(etc);
  const members = values['etc-group-members'] ?? [];
  const kept = !(await hasAltfiles(root));
  for (const kind of KINDS) {
    if (users[kind].length === 0) continue;
    const isRoot = (line: string): boolean => parseLine(line, kind).id === 0;
    const stays = (line: string): boolean =>
      kept || isRoot(line) || (kind === 'group' && members.includes(parseLine(line, kind).name));
    await writeKeepingMode(join(etc, kind), users[kind].filter(stays));
    await writeFile(join(root, 'usr/lib', kind), text(users[kind].filter((line) => !isRoot(line))));
  }
  // Backup copies that the user tools leave.
  for (const name of ['passwd-', 'group-', 'shadow-', 'gshadow-', 'subuid-', 'subgid-', '.pwd.lock']) {
    await rm(join(etc, name), { force: true });
  }
  if (!kept) await addAltfiles(join(etc, 'nsswitch.conf'));
  return { ...users, kept };
}

/**
 * Users made during the compose have its day as the day of their last password change, so that the file would be another one
 * every night for nothing. An empty field means that no change is asked for by age.
 */
export async function settleShadow(root: string, timestamp: number): Promise<void> {
  const path = join(root, 'usr/etc/shadow');
  const old = await readTextIfExists(path);
  if (old === undefined) return;
  const today = String(Math.floor(timestamp / 86_400));
  const changed = old.replace(/^([^:\n]*:[^:\n]*:)(\d+)(?=:)/gm, (whole, before: string, day: string) =>
    day === today ? before : whole,
  );
  if (changed !== old) await writeFile(path, changed);
}

/** Puts `altfiles` after `files` where passwd and group are looked up, unless it is there. */
async function addAltfiles(path: string): Promise<void> {
  const old = await readTextIfExists(path);
  if (old === undefined) return;
  const changed = old.replace(/^((?:passwd|group):.*)$/gm, (line) =>
    /\baltfiles\b/.test(line) ? line : line.replace(/\bfiles\b/, 'files altfiles'),
  );
  if (changed !== old) await writeFile(path, changed);
}

async function hasAltfiles(root: string): Promise<boolean> {
  const folders = ['usr/lib64', 'usr/lib'];
  for (const name of await namesIn(join(root, 'usr/lib'))) if (/-linux-gnu/.test(name)) folders.push(`usr/lib/${name}`);
  for (const folder of folders) {
    if ((await namesIn(join(root, folder))).includes('libnss_altfiles.so.2')) return true;
  }
  return false;
}

async function writeKeepingMode(path: string, lines: readonly string[]): Promise<void> {
  const { mode } = await stat(path);
  await writeFile(path, text(lines), { mode });
}

const text = (lines: readonly string[]): string => lines.map((line) => `${line}\n`).join('');

function unique(lines: readonly string[]): string[] {
  const seen = new Set<string>();
  return lines.filter((line) => {
    const name = line.split(':')[0] ?? '';
    if (seen.has(name)) return false;
    seen.add(name);
    return true;
  });
}
