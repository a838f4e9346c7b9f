import { getConnInfo } from '@hono/node-server/conninfo';
import { Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { MOST_REQUEST_BYTES, SIZE_TYPE } from '../../witness/add-checkpoint.ts';
import type { CosignOutcome, Witness } from '../../witness/cosign-request.ts';
import { addressGroup } from '../http/address.ts';
import { errorAnswer } from '../http/error-answer.ts';
import { rateLimit } from '../http/rate-limit.ts';
import { limitedByKind } from '../http/request-kinds.ts';
import type { ServiceLog } from '../service-log.ts';

/** Requests of one address in a minute. A log needs two or three for a checkpoint. */
const REQUESTS_A_MINUTE = 120;

/** A checkpoint is asked for again after so many seconds. */
const CACHE_SECONDS = 5;

const TEXT = 'text/plain; charset=utf-8';

/**
 * What a witness answers over HTTP (c2sp.org/tlog-witness): `POST /add-checkpoint`, and for everybody
 * `GET /HEX/checkpoint`, where HEX is the SHA-256 of a log's origin.
 * @param about what `GET /` says
 */
export function witnessApp(witness: Witness, about: string, log: ServiceLog): Hono {
  const app = new Hono();
  const requests = rateLimit(REQUESTS_A_MINUTE, 60_000);
  app.use(async (context, next) => {
    context.header('X-Content-Type-Options', 'nosniff');
    if (!URL.canParse(context.req.url)) return context.text('This is no address.\n', 400);
    return next();
  });
  app.get('/healthz', ({ text }) => text('ok\n'));
  app.use(limitedByKind());
  app.get('/', ({ text }) => text(about));
  app.get('/:hex/checkpoint', ({ req, body, text }) => {
    const checkpoint = witness.checkpoint(req.param('hex'));
    if (checkpoint === undefined) return text('This witness has cosigned nothing of that log.\n', 404);
    return body(checkpoint, 200, { 'Content-Type': TEXT, 'Cache-Control': `max-age=${CACHE_SECONDS}` });
  });
  app.post('/add-checkpoint', bodyLimit({ maxSize: MOST_REQUEST_BYTES }), async (context) => {
    const from = getConnInfo(context).remote.address;
    const wait = requests.take(addressGroup(from));
    if (wait > 0) return context.text('Too many requests.\n', 429, { 'Retry-After': String(wait) });
    const outcome = await witness.cosign(new Uint8Array(await context.req.arrayBuffer()));
    if (outcome.kind === 'inconsistent' || outcome.kind === 'other-root')
      log(`refused a checkpoint from ${from ?? 'somebody'}: ${explained(outcome)}`, { from, outcome: outcome.kind });
    const { status, type = TEXT, text } = answerFor(outcome);
    return context.body(text, status, { 'Content-Type': type, 'Cache-Control': 'no-store' });
  });
  app.all('/add-checkpoint', ({ text }) => text('Only POST.\n', 405, { Allow: 'POST' }));
  app.notFound(({ text }) => text('There is nothing here.\n', 404));
  app.onError(errorAnswer(log, 'the log of the witness'));
  return app;
}

interface Answer {
  readonly status: 200 | 400 | 403 | 404 | 409 | 422;
  readonly type?: string;
  readonly text: string;
}

function answerFor(outcome: CosignOutcome): Answer {
  const text = `${explained(outcome)}\n`;
  switch (outcome.kind) {
    case 'cosigned':
      return { status: 200, text: outcome.lines };
    case 'malformed':
    case 'old-above-size':
      return { status: 400, text };
    case 'not-signed':
      return { status: 403, text };
    case 'unknown-log':
      return { status: 404, text };
    case 'conflict':
      return { status: 409, type: SIZE_TYPE, text: `${outcome.size}\n` };
    case 'other-root':
      return { status: 409, text };
    case 'inconsistent':
      return { status: 422, text };
  }
}

function explained(outcome: CosignOutcome): string {
  switch (outcome.kind) {
    case 'cosigned':
      return 'cosigned';
    case 'malformed':
      return outcome.why;
    case 'unknown-log':
      return 'This witness does not know a log of that origin.';
    case 'not-signed':
      return 'None of the keys that this witness knows of the log signed the checkpoint.';
    case 'old-above-size':
      return 'The old size is above that of the checkpoint.';
    case 'conflict':
      return `${outcome.size} entries were cosigned last.`;
    case 'other-root':
      return 'Another tree of this size was cosigned before: there are two histories of this log.';
    case 'inconsistent':
      return 'The proof does not show that what was cosigned before is the beginning of this tree.';
  }
}
