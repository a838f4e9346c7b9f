import { type LogPlace, logFault } from './log-fault.ts';
import { isKeyName, type NoteKey, parseVkey } from './note-keys.ts';
import { strictUtf8 } from './strict-text.ts';

/** Whom a verifier trusts (c2sp.org/tlog-policy): logs, witnesses, and how many of these must have cosigned. */
export interface Policy {
  readonly logs: readonly PolicyLog[];
  readonly witnesses: readonly PolicyWitness[];
  readonly quorum: Quorum;
}

export interface PolicyLog {
  readonly key: NoteKey;
  readonly url?: string;
}

export interface PolicyWitness extends PolicyLog {
  /** Its name in the policy; its key has another. */
  readonly name: string;
}

/** `none`: a checkpoint without any cosignature will do. */
export type Quorum =
  | { readonly kind: 'none' }
  | { readonly kind: 'witness'; readonly witness: PolicyWitness }
  | { readonly kind: 'group'; readonly needed: number; readonly members: readonly Quorum[] };

const HINT = 'c2sp.org/tlog-policy has the format; the lines are "log", "witness", "group" and one "quorum".';

/** Reads a policy. @throws NightlyError `log`, with the line */
export function parsePolicy(bytes: Uint8Array, place: LogPlace): Policy {
  const text = strictUtf8(bytes);
  if (text === undefined) throw logFault(place, 'This policy is not UTF-8.', HINT);
  const reader = policyReader();
  for (const [index, line] of text.split('\n').entries()) {
    const at = { ...place, line: index + 1 };
    const [kind, ...words] = line.split(/[ \t\r]+/).filter((word) => word !== '');
    if (kind === undefined || kind.startsWith('#')) continue;
    reader.take(kind, words, at);
  }
  return reader.end(place);
}

function policyReader() {
  const logs: PolicyLog[] = [];
  const witnesses: PolicyWitness[] = [];
  const named = new Map<string, Quorum>();
  const grouped = new Set<string>();
  const keys = new Set<string>();
  let quorum: Quorum | undefined;
  const refuse = (at: LogPlace, why: string) => logFault(at, `In this policy, ${why}.`, HINT);
  const takeKey = (vkey: string, type: NoteKey['type'], at: LogPlace): NoteKey => {
    const key = parseVkey(vkey, at);
    if (key.type !== type)
      throw refuse(at, `${key.name} is a key of another kind: a log signs checkpoints, a witness cosigns them`);
    const bytes = key.publicKey.toString('hex');
    if (keys.has(bytes)) throw refuse(at, `the public key of ${key.name} stands twice`);
    keys.add(bytes);
    return key;
  };
  const takeName = (name: string, at: LogPlace): string => {
    if (!isKeyName(name) || name === 'none') throw refuse(at, `"${name}" cannot be a name`);
    if (named.has(name)) throw refuse(at, `"${name}" is defined twice`);
    return name;
  };
  const find = (name: string, at: LogPlace): Quorum => {
    const found = named.get(name);
    if (!found) throw refuse(at, `"${name}" is no witness or group that is defined before this line`);
    return found;
  };
  const count = (words: readonly string[], least: number, most: number, at: LogPlace): void => {
    if (words.length < least || words.length > most) throw refuse(at, 'this line has too few or too many words');
  };
  const take = (kind: string, words: readonly string[], at: LogPlace): void => {
    const [first = '', second = '', third] = words;
    switch (kind) {
      case 'log':
        count(words, 1, 2, at);
        logs.push({ key: takeKey(first, 'ed25519', at), ...(words.length === 2 && { url: urlOf(second, at) }) });
        return;
      case 'witness': {
        count(words, 2, 3, at);
        const name = takeName(first, at);
        const witness = {
          name,
          key: takeKey(second, 'cosignature', at),
          ...(third !== undefined && { url: urlOf(third, at) }),
        };
        witnesses.push(witness);
        named.set(name, { kind: 'witness', witness });
        return;
      }
      case 'group': {
        count(words, 3, Number.POSITIVE_INFINITY, at);
        const name = takeName(first, at);
        const members = words.slice(2).map((word) => {
          const member = find(word, at);
          if (grouped.has(word)) throw refuse(at, `"${word}" is in a group already`);
          grouped.add(word);
          return member;
        });
        named.set(name, { kind: 'group', needed: neededOf(second, members.length, at), members });
        return;
      }
      case 'quorum':
        count(words, 1, 1, at);
        if (quorum) throw refuse(at, 'there is a second quorum');
        quorum = first === 'none' ? { kind: 'none' } : find(first, at);
        return;
      default:
        throw refuse(at, `no line begins with "${kind}"`);
    }
  };
  const neededOf = (word: string, members: number, at: LogPlace): number => {
    if (word === 'all') return members;
    if (word === 'any') return 1;
    const needed = /^[1-9]\d{0,3}$/.test(word) ? Number(word) : 0;
    if (needed >= 1 && needed <= members) return needed;
    throw refuse(at, `"${word}" must be all, any, or a number from 1 to ${members}`);
  };
  const urlOf = (word: string, at: LogPlace): string => {
    if (/^https?:\/\/[^\s/]/.test(word)) return word;
    throw refuse(at, `"${word}" is no URL`);
  };
  const end = (place: LogPlace): Policy => {
    if (!quorum) throw refuse(place, 'there is no quorum');
    if (logs.length === 0) throw refuse(place, 'there is no log');
    return { logs, witnesses, quorum };
  };
  return { take, end };
}

/** Whether enough witnesses have cosigned. @param cosigned as `openCheckpoint` returns it for the witnesses of the policy */
export function isQuorum(quorum: Quorum, cosigned: ReadonlyMap<NoteKey, number>): boolean {
  switch (quorum.kind) {
    case 'none':
      return true;
    case 'witness':
      return cosigned.has(quorum.witness.key);
    case 'group':
      return quorum.members.filter((member) => isQuorum(member, cosigned)).length >= quorum.needed;
  }
}
