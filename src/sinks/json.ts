import pino from 'pino';
import type { Listener } from '../run/events.ts';

/** One JSON object a line in pino's format, for `--log-format json`: `type` names the event, the rest is as declared. */
export function jsonListener(destination: NodeJS.WritableStream): Listener {
  const logger = pino({ base: null, timestamp: pino.stdTimeFunctions.isoTime }, destination);
  return (event) => {
    if (event.type === 'step-failed') logger.error(event);
    else logger.info(event);
  };
}
