import pino from 'pino';
import { formatPlace, type NightlyError } from '../../base/errors.ts';
import { harmlessJson } from '../../base/one-line.ts';
import type { Listener } from '../../build/events.ts';

/** The build and stream that lines are about; null where there is none yet. */
export interface LogContext {
  readonly build: string | null;
  readonly stream: string | null;
}

/** A log in pino's format, one JSON object a line: each has `build`, `stream` and `step`, null outside of one. */
export interface JsonLog {
  /** `type` names the event, the rest is as build/events.ts declares it. */
  readonly listen: Listener;
  /** A line for people that belongs to no step. */
  note(line: string): void;
  error(error: NightlyError): void;
}

/** A stream for pino's lines: what a terminal or a log viewer would act on arrives there as an escape. */
export function harmlessLog(destination: NodeJS.WritableStream): { write(line: string): void } {
  return { write: (line) => void destination.write(harmlessJson(line)) };
}

/** Opens such a log on a stream. */
export function jsonLog(destination: NodeJS.WritableStream, context: LogContext): JsonLog {
  const logger = pino({ base: null, timestamp: pino.stdTimeFunctions.isoTime }, harmlessLog(destination));
  const fields = { ...context, step: null };
  return {
    listen(event) {
      if (event.type === 'step-failed') logger.error({ ...fields, ...event });
      else logger.info({ ...fields, ...event });
    },
    note: (line) => logger.info({ ...fields, type: 'note', line }),
    error({ code, message, hint, place, log, step, build }) {
      const where = build === undefined ? fields : { ...fields, build: build.id, stream: build.stream };
      const about = { hint, log, ...(place && { place: formatPlace(place) }) };
      logger.error({ ...where, ...(step === undefined ? {} : { step }), type: 'error', code, message, ...about });
    },
  };
}
