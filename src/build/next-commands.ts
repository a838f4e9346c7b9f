import { isReleased } from './about-build.ts';
import type { BuildMeta } from './build-record.ts';
import { isPublishedState } from './outcomes.ts';
import { standingRebuilds } from './rebuilds.ts';

/** What the configuration asks of a build's stream. */
export interface StreamNeeds {
  /** How many people must approve it before it is released. */
  readonly approvalsNeeded: number;
  /** How many rebuilders must have composed it again, identically. */
  readonly rebuildsNeeded: number;
  /** Whether its stream feeds a release stream. */
  readonly promotable: boolean;
  /** Whether its stream says where releases go. */
  readonly releasable: boolean;
}

/** A step that can be taken with a build, with the whole command line. */
export interface NextCommand {
  readonly what: string;
  readonly command: string;
}

/** Returns what can be done with a build next. @param state how it stands now */
export function nextCommands(
  meta: BuildMeta,
  state: string,
  { approvalsNeeded, rebuildsNeeded, promotable, releasable }: StreamNeeds,
): NextCommand[] {
  const id = meta.buildid;
  const found: NextCommand[] = [];
  const add = (what: string, command: string) => found.push({ what, command: `atomic-nightly ${command}` });
  if (['interrupted', 'failed', 'incomplete'].includes(state)) add('Go on with it', `resume ${id}`);
  const built = meta.ostreeCommit !== undefined && isPublishedState(state);
  const stands = !meta.retracted && !meta.retraction;
  if (built && promotable && stands && !meta.promotion) {
    add('See what a promotion would be', `promote ${id} --dry-run`);
    add('Promote it', `promote ${id} --reason "…"`);
  }
  const open = meta.promotion && !meta.release && state === 'complete';
  if (open && !meta.supersededBy) {
    const approvals = meta.approvals?.length ?? 0;
    if (approvals < approvalsNeeded) add(`Approve it (${approvals} of ${approvalsNeeded})`, `approve ${id} --by NAME`);
    const identical = standingRebuilds(meta.rebuilds ?? []).filter(({ verdict }) => verdict === 'identical').length;
    if (identical < rebuildsNeeded)
      add(`Take statements of rebuilders (${identical} of ${rebuildsNeeded})`, `attest ${id} FILE`);
    if (approvals >= approvalsNeeded && identical >= rebuildsNeeded && releasable) add('Release it', `release ${id}`);
  }
  if (isReleased(meta) && meta.retracted === undefined)
    add('Take the release back', `release --withdraw ${id} --reason "…"`);
  if (built) add('What is newer since', `show ${id}`);
  return found;
}
