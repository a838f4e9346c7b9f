import type { ErrorHandler } from 'hono';
import { HTTPException } from 'hono/http-exception';
import { asNightlyError } from '../../base/as-nightly-error.ts';
import { isErrno } from '../../base/files.ts';
import type { ServiceLog } from '../service-log.ts';

/** Returns what answers a request that failed. @param whose whose log says why, as in `the log of the service` */
export function errorAnswer(log: ServiceLog, whose: string): ErrorHandler {
  return (error, { text }) => {
    if (error instanceof HTTPException) return error.getResponse();
    // Whoever asked is gone before all of it had come: nobody reads the answer, and anybody could fill the log with it.
    if (isErrno(error, 'ECONNRESET')) return text('', 400);
    log(`error: ${asNightlyError(error).message}`);
    return text(`Something went wrong; ${whose} has it.\n`, 500);
  };
}
