import { pino } from 'pino';
import { oneLine } from '../base/one-line.ts';
import { writeLine } from '../base/output.ts';
import { harmlessLog } from '../reports/progress/json-lines.ts';
import type { LogFormat } from '../reports/progress/log-format.ts';

/** Tells what the service does: a sentence, and the values in it for machines. */
export type ServiceLog = (sentence: string, values?: Readonly<Record<string, unknown>>) => void;

/** Lines on a stream, which systemd's journal stamps with the time; pino's JSON when asked for. */
export function serviceLog(format: LogFormat, out: NodeJS.WritableStream): ServiceLog {
  if (format !== 'json') return (sentence) => writeLine(out, oneLine(sentence));
  const logger = pino({ base: null, timestamp: pino.stdTimeFunctions.isoTime }, harmlessLog(out));
  return (sentence, values = {}) => logger.info({ type: 'service', ...values }, sentence);
}
