import { chmod, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { NightlyError } from '../../../base/errors.ts';
import { readTextIfExists, writeJson } from '../../../base/files.ts';
import type { Task } from '../../../base/task.ts';
import { kindOf, readInTree, replaceInTree, rewriteInTree } from '../../../base/tree-files.ts';
import { catFile } from '../../../programs/ostree.ts';
import type { Treefile } from '../../../treefile/treefile.ts';
import type { TreefileValues } from '../../../treefile/treefile-keys.ts';
import { at } from './tree-paths.ts';
import {
  ACCOUNT_KINDS,
  type AccountFiles,
  linesOf,
  nameOf,
  parseLine,
  USER_KINDS,
  type UserFiles,
  type UserKind,
  unique,
} from './tree-users.ts';

/** Lines that are put into the tree's account files before a package's script runs. */
export type Seed = AccountFiles;

const NOTHING: Seed = { passwd: [], group: [], shadow: [], gshadow: [], subuid: [], subgid: [] };

const lines = z.array(z.string()).default([]);
const accounts = { passwd: lines, group: lines, shadow: lines, gshadow: lines, subuid: lines, subgid: lines };
const recordSchema = z.object({
  commit: z.string(),
  ...accounts,
  /** What that commit's install was seeded with. */
  seed: z.object(accounts).prefault({}),
});

/** What is known of the commit before. */
export interface PreviousAccounts {
  /** Its accounts: etc's and lib's together. */
  readonly accounts: AccountFiles;
  /** What its own install was seeded with. */
  readonly seed: Seed;
}

/**
 * Reads the accounts of the commit before. From this engine's own record of that commit, else from the commit itself; a
 * record is needed because a night usually has only the commit object of its parent, without the files.
 * @throws NightlyError `compose` when neither has them.
 */
export async function previousAccounts(
  from: { readonly cacheDir: string; readonly repo: string; readonly parent: string | undefined },
  task: Task,
): Promise<PreviousAccounts> {
  const { parent } = from;
  if (parent === undefined) return { accounts: NOTHING, seed: NOTHING };
  const known = await readRecord(from.cacheDir);
  if (known?.commit === parent) return { accounts: known, seed: known.seed };
  const etc = (kind: keyof AccountFiles) => catFile(from.repo, parent, `/usr/etc/${kind}`, task);
  const read = async (kind: UserKind): Promise<string[]> => {
    const inEtc = await etc(kind);
    const inLib = await catFile(from.repo, parent, `/usr/lib/${kind}`, task);
    if (inEtc === undefined || inLib === undefined) {
      throw new NightlyError(
        'compose',
        `The ${kind} file of the commit before (${parent}) is needed to keep ids as they are, but is not in ${from.repo}.`,
        {
          hint: `Pull it whole: "ostree pull --repo=${from.repo} REMOTE ${parent}"; or set check-passwd and check-groups to another type than previous.`,
        },
      );
    }
    return unique([...linesOf(inEtc), ...linesOf(inLib)]);
  };
  const [passwd, group] = [await read('passwd'), await read('group')];
  const others = async (kind: keyof AccountFiles): Promise<string[]> => linesOf((await etc(kind)) ?? '');
  return {
    accounts: {
      passwd,
      group,
      shadow: await others('shadow'),
      gshadow: await others('gshadow'),
      subuid: await others('subuid'),
      subgid: await others('subgid'),
    },
    seed: NOTHING,
  };
}

/** Remembers a commit's accounts, and what its install was seeded with, for the night after. */
export async function rememberAccounts(
  cacheDir: string,
  commit: string,
  { accounts: found, seed }: PreviousAccounts,
): Promise<void> {
  const only = (files: AccountFiles) => Object.fromEntries(ACCOUNT_KINDS.map((kind) => [kind, files[kind]]));
  await writeJson(recordPath(cacheDir), { commit, ...only(found), seed: only(seed) });
  // shadow is for root's eyes, here as in the tree.
  await chmod(recordPath(cacheDir), 0o600);
}

const recordPath = (cacheDir: string): string => join(cacheDir, 'users.json');

/** Returns the record; one that is damaged counts as none, since the commit itself has the same. */
async function readRecord(cacheDir: string): Promise<z.infer<typeof recordSchema> | undefined> {
  const text = await readTextIfExists(recordPath(cacheDir));
  if (text === undefined) return undefined;
  try {
    return recordSchema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

type Ids = { readonly id: number; readonly gid?: number };

/** What a treefile wants the users of a tree to be compared with, and which are put there before packages add theirs. */
export interface ExpectedUsers {
  /**
   * What to seed an install with, to be tried in this order until all ids are as expected. The first of a night is what
   * the night before was seeded with, mostly nothing: all scripts run as on a first night, so that the same packages give
   * the same tree, whatever a script does only where its user is missing. The second has all accounts of the night
   * before, which holds their ids where other packages came or went.
   */
  readonly seeds: readonly [first: Seed, again?: Seed];
  readonly expected: Readonly<Record<UserKind, ReadonlyMap<string, Ids>>>;
  /** Accounts that stay although no package makes them any more. */
  readonly keep: AccountFiles;
}

/** Reads what check-passwd and check-groups name. Both default to the commit before, as in rpm-ostree. */
export async function expectedUsers(
  treefile: Treefile,
  previous: () => Promise<PreviousAccounts>,
): Promise<ExpectedUsers> {
  const { values } = treefile;
  const checks = {
    passwd: values['check-passwd'] ?? { type: 'previous' },
    group: values['check-groups'] ?? { type: 'previous' },
  } as const;
  const usesPrevious = checks.passwd.type === 'previous' || checks.group.type === 'previous';
  const before = usesPrevious ? await previous() : { accounts: NOTHING, seed: NOTHING };
  const found = async (kind: UserKind): Promise<readonly string[]> => {
    const check = checks[kind];
    switch (check.type) {
      case 'previous':
        return before.accounts[kind];
      case 'file':
        return linesOf(await readFile(check.filename, 'utf8'));
      case 'data':
      case 'none':
        return [];
    }
  };
  const passwd = await found('passwd');
  const group = await found('group');
  const fromLines = (some: readonly string[], kind: UserKind) =>
    new Map(some.map((line) => parseLine(line, kind)).map(({ name, ...ids }) => [name, ids] as const));
  const expected = {
    passwd: checks.passwd.type === 'data' ? fromData(checks.passwd.entries) : fromLines(passwd, 'passwd'),
    group: checks.group.type === 'data' ? fromData(checks.group.entries) : fromLines(group, 'group'),
  };
  if (values['preserve-passwd'] === false) return { seeds: [NOTHING], expected, keep: NOTHING };
  const whole = withShadow({ passwd, group }, before.accounts);
  const first = withShadow(
    {
      passwd: checks.passwd.type === 'previous' ? before.seed.passwd : passwd,
      group: checks.group.type === 'previous' ? before.seed.group : group,
    },
    { ...before.accounts, ...before.seed },
  );
  const same = JSON.stringify(first) === JSON.stringify(whole);
  return { seeds: same ? [whole] : [first, whole], expected, keep: withLocks(whole, checks) };
}

function fromData(entries: Readonly<Record<string, number | readonly number[]>>) {
  return new Map(
    Object.entries(entries).map(([name, ids]) => {
      const [id = 0, gid] = typeof ids === 'number' ? [ids] : ids;
      return [name, { id, ...(gid === undefined ? {} : { gid }) }] as const;
    }),
  );
}

/** Adds each user's and group's lines of the other files, as they were. */
function withShadow({ passwd, group }: UserFiles, before: AccountFiles): Seed {
  const [users, groups] = [new Set(passwd.map(nameOf)), new Set(group.map(nameOf))];
  // subuid(5): a name, or a number.
  const owners = new Set([...users, ...passwd.map((line) => String(parseLine(line, 'passwd').id))]);
  const of = (lines: readonly string[], names: ReadonlySet<string>) => lines.filter((line) => names.has(nameOf(line)));
  return {
    passwd,
    group,
    shadow: of(before.shadow, users),
    gshadow: of(before.gshadow, groups),
    subuid: of(before.subuid, owners),
    subgid: of(before.subgid, owners),
  };
}

/**
 * Adds to accounts of a treefile's own files, which have no lines in shadow and gshadow, such that let nobody log in, as
 * rpm-ostree does. Those of the commit before stay as they were there.
 */
function withLocks(
  files: AccountFiles,
  { passwd, group }: Readonly<Record<UserKind, { readonly type: string }>>,
): AccountFiles {
  const lack = (lines: readonly string[], others: readonly string[]): string[] => {
    const have = new Set(others.map(nameOf));
    return lines.map(nameOf).filter((name) => !have.has(name));
  };
  return {
    ...files,
    shadow: [
      ...files.shadow,
      ...(passwd.type === 'file' ? lack(files.passwd, files.shadow).map((name) => `${name}:*::0:99999:7:::`) : []),
    ],
    gshadow: [
      ...files.gshadow,
      ...(group.type === 'file' ? lack(files.group, files.gshadow).map((name) => `${name}:!::`) : []),
    ],
  };
}

/**
 * Whether an install has to be done again with more accounts in place: an id or a range of subordinate ids moved, or a
 * newcomer has one's that is gone.
 */
export function idsMoved(users: AccountFiles, { expected, keep }: ExpectedUsers): boolean {
  const rangesMoved = (['subuid', 'subgid'] as const).some((kind) => {
    const [now, names] = [new Set(users[kind]), new Set(users[kind].map(nameOf))];
    return keep[kind].some((line) => names.has(nameOf(line)) && !now.has(line));
  });
  if (rangesMoved) return true;
  return USER_KINDS.some((kind) => {
    const now = users[kind].map((line) => parseLine(line, kind));
    const names = new Set(now.map(({ name }) => name));
    const gone = new Set([...expected[kind]].flatMap(([name, { id }]) => (names.has(name) ? [] : [id])));
    return now.some(({ name, id, gid }) => {
      const want = expected[kind].get(name);
      if (want === undefined) return gone.has(id);
      return want.id !== id || (want.gid !== undefined && want.gid !== gid);
    });
  });
}

/** Puts back accounts that are to stay and that nothing made this time, with their lines in all files. */
export async function keepGoneAccounts(root: string, keep: AccountFiles): Promise<void> {
  for (const kind of ACCOUNT_KINDS) {
    const path = at(root, `/etc/${kind}`);
    const old = (await readInTree(path)) ?? '';
    const have = new Set(linesOf(old).map(nameOf));
    const missing = keep[kind].filter((line) => !have.has(nameOf(line)));
    if (missing.length === 0) continue;
    const glue = old === '' || old.endsWith('\n') ? '' : '\n';
    const text = `${old}${glue}${missing.join('\n')}\n`;
    const mode = kind.endsWith('shadow') ? 0o600 : 0o644;
    await ((await kindOf(path)) === undefined ? replaceInTree(path, text, mode) : rewriteInTree(path, text));
  }
}

/**
 * Compares a tree's users and groups with the expected ones: an id that changed, or a name that is gone and not in
 * `ignore-removed-*`, is refused, because files on running hosts belong to the number, not to the name.
 * @throws NightlyError `compose`, naming each.
 */
export function checkUsers(users: UserFiles, { expected }: ExpectedUsers, values: TreefileValues): void {
  const faults: string[] = [];
  const ignored = { passwd: values['ignore-removed-users'] ?? [], group: values['ignore-removed-groups'] ?? [] };
  for (const kind of USER_KINDS) {
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
