import { join } from 'node:path';
import { readTextIfExists, writeJson } from '../base/files.ts';

/** A night that is to begin, or goes on, or waits for another try. */
export interface Job {
  readonly id: string;
  readonly stream: string;
  readonly cause: 'schedule' | 'catch-up' | 'trigger';
  /** RFC 3339, UTC. */
  readonly notBefore: string;
  /** Attempts that failed. */
  readonly failures: number;
  /** Attempts that ended without a word: killed, or the machine went down. */
  readonly kills: number;
  /** The build to continue; undefined if none was reserved yet. */
  readonly build?: string;
  /** There while a process works on it, and when that was so as the service ended. */
  readonly attempt?: Attempt;
}

/** A process that works on a job. */
export interface Attempt {
  /** RFC 3339, UTC. */
  readonly since: string;
  /** The newest build when it was started: what it reserves is newer. */
  readonly newestBefore?: string;
  /** See tools/process-id.ts; undefined for the moment between the intent and the start. */
  readonly process?: string;
}

/**
 * `work/service/state.json`: all the service remembers. Written aside and renamed at each change, by the one service
 * that holds `work/service/lock`.
 */
export interface ServiceState {
  /** By stream: the last moment of its schedule that became a job, RFC 3339, UTC. */
  readonly moments: Readonly<Record<string, string>>;
  readonly jobs: readonly Job[];
}

export const serviceFolder = (work: string): string => join(work, 'service');

const statePath = (work: string): string => join(serviceFolder(work), 'state.json');

/** Returns what an earlier service remembered; nothing when there was none. */
export async function readState(work: string): Promise<ServiceState> {
  const text = await readTextIfExists(statePath(work));
  return text === undefined ? { moments: {}, jobs: [] } : (JSON.parse(text) as ServiceState);
}

/** A value of the state that is on disk as soon as the returned promise resolves; changes are written one after another. */
export interface StateFile {
  current(): ServiceState;
  change(how: (state: ServiceState) => ServiceState): Promise<void>;
}

/** Opens the state of a work folder; only the holder of the service lock may. */
export async function openState(work: string): Promise<StateFile> {
  let state = await readState(work);
  let written: Promise<void> = Promise.resolve();
  return {
    current: () => state,
    change(how) {
      state = how(state);
      const now = state;
      // A failed write must not stop the later ones.
      written = written.catch(() => undefined).then(() => writeJson(statePath(work), now));
      return written;
    },
  };
}
