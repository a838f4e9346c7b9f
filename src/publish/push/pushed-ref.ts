import { NightlyError } from '../../base/errors.ts';
import type { CommitInfo } from '../../ostree/objects.ts';

/** A ref that is to name a commit on the far side. */
export interface PushedRef {
  readonly ref: string;
  readonly commit: string;
  /** A tag never moves: it names the commit already, or is new. */
  readonly isTag: boolean;
}

/** What the far side has at a ref. */
export interface FarRef {
  readonly commit: string;
  /** Seconds since the epoch; undefined when its commit cannot be read. */
  readonly timestamp: number | undefined;
}

/** What decides about a move, on either side. */
export interface RefMoveRules {
  /** Whether a commit that is not newer may take the place of another. */
  readonly forceOlder: boolean;
  /** Names the far side in messages, as in `target "mirror"`. */
  readonly place: string;
}

/**
 * Refuses what would break clients: a commit that was made for other refs, a tag that moves, and a commit that is not newer
 * than the one it replaces (I5).
 * @throws NightlyError `unsupported`, `target-differs`, `target-older`.
 */
export function requireMove(
  { ref, commit, isTag }: PushedRef,
  info: CommitInfo,
  far: FarRef | undefined,
  { forceOlder, place }: RefMoveRules,
): void {
  const short = commit.slice(0, 12);
  if (info.refBindings !== undefined && !info.refBindings.includes(ref)) {
    const bound = info.refBindings.length === 0 ? 'no ref' : info.refBindings.join(', ');
    throw new NightlyError(
      'unsupported',
      `The commit ${short} was made for ${bound}, so clients would refuse it at ${ref}.`,
      { hint: `Push it to a ref it was made for, or commit it again with --bind-ref=${ref} as well.` },
    );
  }
  if (far === undefined || far.commit === commit) return;
  if (isTag) {
    throw new NightlyError('target-differs', `${place} has the tag ${ref} at ${far.commit}; a tag never moves.`, {
      hint: 'Choose another name for the tag.',
    });
  }
  if (forceOlder) return;
  if (far.timestamp === undefined) {
    throw new NightlyError(
      'ostree',
      `${place} has ${far.commit} at ${ref}, but not that commit itself, so it cannot be seen which of the two is newer.`,
      { hint: 'Repair the repository there, or push with --force-older.' },
    );
  }
  if (info.timestamp > far.timestamp) return;
  throw new NightlyError(
    'target-older',
    `${place} has ${far.commit.slice(0, 12)} of ${date(far.timestamp)} at ${ref}; ${short} of ${date(info.timestamp)} is not newer, so pushing it would take clients back in time.`,
    { hint: 'Make a new commit of that tree, or push with --force-older if clients are to go back.' },
  );
}

const date = (seconds: number): string => new Date(seconds * 1000).toISOString();
