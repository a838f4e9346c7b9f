import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { NightlyError } from '../base/errors.ts';
import { readTextIfExists, writeJson } from '../base/files.ts';
import { FORMATS, NewerFormat } from '../base/format-versions.ts';
import { type RecordFormat, readRecord, recordFormat } from '../base/read-record.ts';
import { isUnreadable, unreadable } from '../base/unreadable.ts';
import { buildId, count, instant, word } from '../build/record-values.ts';

/** A nightly build that is to start, is under way, or waits for a retry. */
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
  readonly build?: string | undefined;
  /** There while a process works on it, and when that was so as the service ended. */
  readonly attempt?: Attempt;
}

/** A process that works on a job. */
export interface Attempt {
  /** RFC 3339, UTC. */
  readonly since: string;
  /** The newest build when it was started: what it reserves is newer. */
  readonly newestBefore?: string | undefined;
  /** See tools/process-id.ts; undefined for the moment between the intent and the start. */
  readonly process?: string;
}

/**
 * `work/service/state.json`: all the service remembers. Written aside and renamed at each change, by the one service
 * that holds `work/service/lock`.
 */
export interface ServiceState {
  /** Keyed by stream: the last moment of its schedule that became a job, RFC 3339, UTC. */
  readonly moments: Readonly<Record<string, string>>;
  readonly jobs: readonly Job[];
}

/** Returns the folder that a service has in the work folder. */
export const serviceFolder = (work: string): string => join(work, 'service');

const statePath = (work: string): string => join(serviceFolder(work), 'state.json');

const attemptSchema = z.looseObject({
  since: instant,
  newestBefore: buildId.exactOptional(),
  process: z
    .string()
    .regex(/^[\w-]+:\d+:\d+$/, 'must be a boot id, a process and when it started')
    .exactOptional(),
});

const jobSchema = z.looseObject({
  id: z.string(),
  stream: word,
  cause: z.literal(['schedule', 'catch-up', 'trigger']),
  notBefore: instant,
  failures: count,
  kills: count,
  build: buildId.exactOptional(),
  attempt: attemptSchema.exactOptional(),
});

const STATE: RecordFormat<ServiceState> = recordFormat({
  version: FORMATS.service,
  schema: z.looseObject({ moments: z.record(word, instant), jobs: z.array(jobSchema) }),
  hint: 'It is set aside by the next start of the service, which then begins with the schedules as they are.',
});

/** The state as one of the records of a work folder, for those who read all of them. */
export const SERVICE_RECORD = {
  path: 'service/state.json',
  read: (content: Uint8Array, path: string): ServiceState => readRecord(content, STATE, path),
};

const NOTHING: ServiceState = { moments: {}, jobs: [] };

/**
 * What an earlier service remembered; nothing when there was none.
 * @throws NightlyError `record` when the file is damaged.
 */
export async function readState(work: string): Promise<ServiceState> {
  const path = statePath(work);
  try {
    const text = await readTextIfExists(path);
    return text === undefined ? NOTHING : readRecord(text, STATE, path);
  } catch (error) {
    throw isUnreadable(error) ? unreadable(path, error) : error;
  }
}

/**
 * As `readState`, but a file that is damaged is set aside and nothing is remembered: a service that does not start for it
 * would run no night at all (I15). Only the holder of the service lock may.
 * @param tell given what is wrong and where the file is now
 * @throws NightlyError `record` when a newer version wrote it: that one still needs it, after an update that was taken back.
 */
async function readOrSetAside(work: string, tell: (sentence: string) => void): Promise<ServiceState> {
  try {
    return await readState(work);
  } catch (error) {
    if (!(error instanceof NightlyError && error.code === 'record')) throw error;
    if (error.cause instanceof NewerFormat) throw error;
    const aside = `${statePath(work)}.damaged-${new Date().toISOString().replace(/\W/g, '')}`;
    await rename(statePath(work), aside);
    tell(`error: ${error.message} It is set aside as ${aside}; nights that waited in it are forgotten.`);
    return NOTHING;
  }
}

/**
 * A value of the state that is on disk as soon as the returned promise resolves; changes are written one after another.
 */
export interface StateFile {
  current(): ServiceState;
  change(how: (state: ServiceState) => ServiceState): Promise<void>;
}

/**
 * Opens the state of a work folder, a damaged one set aside; only the holder of the service lock may.
 * @throws NightlyError `record` when a newer version wrote it
 */
export async function openState(work: string, tell: (sentence: string) => void): Promise<StateFile> {
  let state = await readOrSetAside(work, tell);
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
