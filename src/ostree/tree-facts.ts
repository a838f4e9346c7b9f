import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { accountsIn, sysusersIn } from './account-lists.ts';
import { capabilityText } from './capability-text.ts';
import { filezContent, filezHeader } from './filez.ts';
import { localObjects, objectPath } from './objects.ts';
import { type ContentChange, diffTrees } from './tree-diff.ts';

/** Something that one of two trees has, or that differs between them. */
export interface Fact {
  /** A path, a unit, a user. */
  readonly name: string;
  /** What it is in the older and in the newer tree; undefined where it is not there. */
  readonly from?: string;
  readonly to?: string;
}

/** What differs between two trees that matters for the security of hosts; each list sorted by name. */
export interface TreeFacts {
  /** Files that run as their owner or group: their mode in octal. */
  readonly setuid: readonly Fact[];
  /** Files with capabilities, as getcap prints them. */
  readonly capabilities: readonly Fact[];
  /** Socket units and what they listen on. */
  readonly listening: readonly Fact[];
  /** Units that are started by another: `multi-user.target.wants/sshd.service`, and what the link leads to. */
  readonly enabled: readonly Fact[];
  /** Users and groups that hosts get, with their number, or `automatic`. */
  readonly users: readonly Fact[];
  readonly groups: readonly Fact[];
}

const SOCKET = /^\/usr\/(?:lib|etc)\/systemd\/system\/([^/]+\.socket)$/;
const ENABLED = /^\/usr\/(?:lib|etc)\/systemd\/system\/([^/]+\.(?:wants|requires)\/[^/]+)$/;
const ACCOUNTS = /^\/usr\/(?:lib|etc)\/(passwd|group)$/;
const SYSUSERS = /^\/usr\/lib\/sysusers\.d\/[^/]+\.conf$/;

/** Units and lists of accounts are some KB; what is larger is none. */
const MOST_BYTES = 1_000_000;

type Lists = { -readonly [Key in keyof TreeFacts]: Fact[] };

/**
 * Finds those facts, by the headers of the files that differ; folders that are equal are not entered.
 * @param repo a local archive repository
 * @throws NightlyError `ostree` when one of the trees is not here as a whole.
 */
export async function treeFacts(repo: string, from: string, to: string): Promise<TreeFacts> {
  const found: Lists = { setuid: [], capabilities: [], listening: [], enabled: [], users: [], groups: [] };
  const accounts = { users: new Differing(), groups: new Differing() };
  for await (const change of diffTrees(from, to, localObjects(repo))) {
    if (change.path.endsWith('/')) continue;
    await addModes(found, repo, change);
    await addUnits(found, repo, change);
    await addAccounts(accounts, repo, change);
  }
  const lists = { ...found, users: accounts.users.facts(), groups: accounts.groups.facts() };
  return {
    setuid: sorted(lists.setuid),
    capabilities: sorted(lists.capabilities),
    listening: sorted(lists.listening),
    enabled: sorted(lists.enabled),
    users: sorted(lists.users),
    groups: sorted(lists.groups),
  };
}

async function addModes(found: Lists, repo: string, { path, from, to }: ContentChange): Promise<void> {
  const [old, now] = await Promise.all([headerOf(repo, from), headerOf(repo, to)]);
  add(found.setuid, path, old && privileged(old.mode), now && privileged(now.mode));
  const caps = (header: typeof old): string | undefined => {
    const value = header?.attributes.get('security.capability');
    return value && capabilityText(value);
  };
  add(found.capabilities, path, caps(old), caps(now));
  const link = ENABLED.exec(path)?.[1];
  if (link !== undefined) add(found.enabled, link, old?.linkTarget, now?.linkTarget);
}

/** Set-user-ID and set-group-ID of regular files, in octal; undefined without them. */
function privileged(mode: number): string | undefined {
  const isFile = (mode & 0o170000) === 0o100000;
  return isFile && (mode & 0o6000) !== 0 ? (mode & 0o7777).toString(8) : undefined;
}

async function addUnits(found: Lists, repo: string, { path, from, to }: ContentChange): Promise<void> {
  const unit = SOCKET.exec(path)?.[1];
  if (unit === undefined) return;
  add(found.listening, unit, listens(await textOf(repo, from)), listens(await textOf(repo, to)));
}

/** What a socket unit listens on, as in `stream 22, datagram /run/x`. */
function listens(unit: string | undefined): string | undefined {
  if (unit === undefined) return undefined;
  const all = [...unit.matchAll(/^[ \t]*Listen([A-Za-z]+)[ \t]*=[ \t]*(\S[^\r\n]*)$/gm)];
  return all.map(([, kind = '', where = '']) => `${kind.toLowerCase()} ${where.trim()}`).join(', ') || 'nothing';
}

/** What several files of a tree say: an account may move from one to another. */
class Differing {
  readonly #from = new Map<string, string>();
  readonly #to = new Map<string, string>();

  add(side: 'from' | 'to', entries: readonly (readonly [string, string])[]): void {
    for (const [name, value] of entries) (side === 'from' ? this.#from : this.#to).set(name, value);
  }

  facts(): Fact[] {
    const facts: Fact[] = [];
    for (const name of new Set([...this.#from.keys(), ...this.#to.keys()])) {
      add(facts, name, this.#from.get(name), this.#to.get(name));
    }
    return facts;
  }
}

async function addAccounts(
  accounts: { readonly users: Differing; readonly groups: Differing },
  repo: string,
  { path, from, to }: ContentChange,
): Promise<void> {
  const file = ACCOUNTS.exec(path)?.[1];
  if (file === undefined && !SYSUSERS.test(path)) return;
  for (const [side, object] of [['from', from] as const, ['to', to] as const]) {
    const text = (await textOf(repo, object)) ?? '';
    if (file === 'passwd') accounts.users.add(side, accountsIn(text));
    else if (file === 'group') accounts.groups.add(side, accountsIn(text));
    else {
      accounts.users.add(side, sysusersIn(text, 'u'));
      accounts.groups.add(side, sysusersIn(text, 'g'));
    }
  }
}

function add(facts: Fact[], name: string, from: string | undefined, to: string | undefined): void {
  if (from === to) return;
  facts.push({ name, ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) });
}

async function headerOf(repo: string, object: string | undefined) {
  return object === undefined ? undefined : filezHeader(join(repo, objectPath(object, 'filez')));
}

async function textOf(repo: string, object: string | undefined): Promise<string | undefined> {
  if (object === undefined) return undefined;
  const content = filezContent(await readFile(join(repo, objectPath(object, 'filez'))), MOST_BYTES);
  return content?.toString('utf8');
}

const sorted = (facts: readonly Fact[]): Fact[] => facts.toSorted((a, b) => (a.name < b.name ? -1 : 1));
