import { NightlyError } from '../../base/errors.ts';
import type { Task } from '../../base/task.ts';
import type { Target } from '../../targets/target.ts';

declare const asked: unique symbol;

/**
 * That the release log was asked before something becomes visible (I17): whoever moves a ref or names a build in an index has to have
 * one, and only the log gives them.
 */
export interface Logged {
  readonly [asked]: true;
  /**
   * Makes sure that the log names a commit of a ref, and that a copy of the log on this target does, too.
   * @throws NightlyError `bug` when it was not logged; what `copyLog` throws.
   */
  requireCommit(ref: string, commit: string, target: Target, task: Task): Promise<void>;
  /** The same for a build. */
  requireBuild(id: string, arch: string, target: Target, task: Task): Promise<void>;
}

/** What says that something is logged, without the brand. */
export type LoggedParts = Pick<Logged, 'requireCommit' | 'requireBuild'>;

/** Gives the brand; for the log alone. */
export function asLogged(parts: LoggedParts): Logged {
  return parts as Logged;
}

/** What to throw for what nobody has logged: a fault in the order of the steps. */
export function notLogged(what: string): NightlyError {
  return new NightlyError('bug', `${what} would become visible before it is in the release log.`);
}
