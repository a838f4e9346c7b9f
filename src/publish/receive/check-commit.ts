import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { NightlyError } from '../../base/errors.ts';
import { writeFileAtomic } from '../../base/files.ts';
import type { Task } from '../../base/task.ts';
import { ed25519SignaturesIn, hasSignature, mergedDetached, signaturesIn } from '../../ostree/commit-signatures.ts';
import { readDetached } from '../../ostree/detached.ts';
import { type CommitInfo, localObjects, objectPath, parseCommit, type ReadObject } from '../../ostree/objects.ts';
import { walkNew } from '../../ostree/tree-walk.ts';
import type { VerifyKeys } from '../../signing/verify-keys.ts';
import { type FarRef, type PushedRef, requireMove } from '../push/pushed-ref.ts';

/** Where a commit that was pushed lies. */
export interface CheckPlaces {
  readonly staging: string;
  /** What is there, by paths relative to it. */
  readonly taken: ReadonlySet<string>;
  /** The published repository. */
  readonly repo: string;
}

/** A ref of a push, as far as it was looked at. */
export interface CheckedRef extends PushedRef {
  /** What the ref names now. */
  readonly from: string | undefined;
  /** What of the commit is in staging, and what the published repository must have; relative to a repository. */
  readonly fresh: readonly string[];
  readonly reliedOn: readonly string[];
}

/** A clock that is behind by less than this refuses nobody, in seconds. */
const AHEAD = 24 * 3600;

/**
 * Looks at a commit that was pushed: it is whole, was made for the ref, is newer than what it replaces, is not from the future, and
 * is signed by whom it must be. Everything that it needs is in staging or published.
 * @param base a published commit that is whole; it need not be looked at again
 * @throws NightlyError `ostree`, `signing`, and what `requireMove` throws.
 */
export async function checkCommit(
  one: PushedRef,
  { at, base }: { readonly at: string | undefined; readonly base: string | undefined },
  places: CheckPlaces,
  rules: { readonly forceOlder: boolean; readonly keys: VerifyKeys | undefined },
  task: Task,
): Promise<CheckedRef> {
  const { ref, commit } = one;
  const [staged, published] = [localObjects(places.staging), localObjects(places.repo)];
  const readNew: ReadObject = async (checksum, type) => (await staged(checksum, type)) ?? published(checksum, type);
  const bytes = await readNew(commit, 'commit');
  if (!bytes) throw incomplete(commit, objectPath(commit, 'commit'));
  const info = parseCommit(commit, bytes);
  requireMove(one, info, await farRef(at, published), { ...rules, place: 'The repository' });
  refuseFuture(info);
  const [fresh, reliedOn]: [string[], string[]] = [[], []];
  const walk = walkNew(commit, base, { readNew: wholeReader(commit, readNew), readOld: published });
  for await (const { path } of walk) {
    task.signal.throwIfAborted();
    if (places.taken.has(path)) fresh.push(path);
    else if (existsSync(join(places.repo, path))) reliedOn.push(path);
    else throw incomplete(commit, path);
  }
  // Whoever moves the ref looks for it there, also where it is published already.
  const copy = join(places.staging, objectPath(commit, 'commit'));
  if (!existsSync(copy)) await writeFileAtomic(copy, bytes);
  const detached = await mergeDetached(commit, places);
  await requireSignature({ ref, commit, bytes, detached, at }, places.repo, rules.keys, task);
  return { ...one, from: at, fresh, reliedOn };
}

async function farRef(at: string | undefined, published: ReadObject): Promise<FarRef | undefined> {
  if (at === undefined) return undefined;
  const bytes = await published(at, 'commit');
  return { commit: at, timestamp: bytes && parseCommit(at, bytes).timestamp };
}

function refuseFuture({ checksum, timestamp }: CommitInfo): void {
  if (timestamp <= Date.now() / 1000 + AHEAD) return;
  throw new NightlyError(
    'target-older',
    `The commit ${checksum.slice(0, 12)} is dated ${new Date(timestamp * 1000).toISOString()}, in the future: nothing newer could follow it until then.`,
    { hint: 'Correct the clock, and commit again.' },
  );
}

function wholeReader(commit: string, read: ReadObject): ReadObject {
  return async (checksum, type) => {
    const bytes = await read(checksum, type);
    if (bytes) return bytes;
    throw incomplete(commit, objectPath(checksum, type));
  };
}

function incomplete(commit: string, path: string): NightlyError {
  return new NightlyError('ostree', `The commit ${commit.slice(0, 12)} is not whole: ${path} is missing.`, {
    hint: 'Run "ostree fsck" on your repository; pull or commit again what it names, then push again.',
  });
}

/** What is published of a commit's detached metadata stays; what was pushed adds to it. */
async function mergeDetached(commit: string, { staging, repo }: CheckPlaces): Promise<Uint8Array | undefined> {
  const [pushed, there] = [await readDetached(staging, commit), await readDetached(repo, commit)];
  if (!there) return pushed;
  const merged = pushed ? mergedDetached(there, pushed) : there;
  await writeFileAtomic(join(staging, objectPath(commit, 'commitmeta')), merged);
  return merged;
}

interface Signed {
  readonly ref: string;
  readonly commit: string;
  readonly bytes: Uint8Array;
  readonly detached: Uint8Array | undefined;
  readonly at: string | undefined;
}

async function requireSignature(
  { ref, commit, bytes, detached, at }: Signed,
  repo: string,
  keys: VerifyKeys | undefined,
  task: Task,
): Promise<void> {
  const short = commit.slice(0, 12);
  if (keys === undefined) {
    if (hasSignature(detached) || at === undefined || !hasSignature(await readDetached(repo, at))) return;
    throw new NightlyError(
      'signing',
      `The commit at ${ref} is signed, and ${short} is not: clients that verify would refuse it.`,
      {
        hint: 'Sign it: "ostree gpg-sign" or "ostree sign"; then push again.',
      },
    );
  }
  const signatures = { openpgp: signaturesIn(detached ?? EMPTY), ed25519: ed25519SignaturesIn(detached ?? EMPTY) };
  const { isVerified } = await import('../../signing/verify-keys.ts');
  if (await isVerified(keys, bytes, signatures, task)) return;
  const count = signatures.openpgp.length + signatures.ed25519.length;
  throw new NightlyError(
    'signing',
    count === 0
      ? `The commit ${short} for ${ref} is not signed.`
      : `None of the keys that count here made a good signature of ${short} for ${ref}.`,
    { hint: 'Sign it with a key that the far side knows: "ostree gpg-sign" or "ostree sign"; then push again.' },
  );
}

const EMPTY = new Uint8Array();
