import { getConnInfo } from '@hono/node-server/conninfo';
import { type Context, Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { secureHeaders } from 'hono/secure-headers';
import { asNightlyError } from '../../base/as-nightly-error.ts';
import { remembered } from '../../base/remembered.ts';
import type { Config } from '../../config/config.ts';
import { tagName } from '../../content/hub-message.ts';
import type { ServiceControl } from '../control.ts';
import type { Work } from '../live/work-folder.ts';
import type { ServiceLog } from '../service-log.ts';
import { addressGroup } from './address.ts';
import { errorAnswer } from './error-answer.ts';
import { paced } from './pace.ts';
import { withPageCache } from './page-cache.ts';
import { rateLimit } from './rate-limit.ts';
import { limitedByKind } from './request-kinds.ts';
import { bearerToken, isKnownToken } from './token.ts';

/** A hook has nothing to say beyond its address. */
const MAX_BODY_BYTES = 4096;
/** Limit for one token per minute; no mirror needs more. */
const REQUESTS_A_MINUTE = 30;
const WRONG_TOKENS_A_MINUTE = 5;

/** What the service answers over HTTP: pages to read, numbers for machines, and one hook that begins a night. */
export function serviceApp(
  config: Config,
  control: ServiceControl,
  { pages, work, log }: { readonly pages: Hono; readonly work: Work; readonly log: ServiceLog },
  metrics: () => Promise<string>,
): Hono {
  const app = new Hono();
  const [own, shared] = [headersFor('same-origin'), headersFor('cross-origin')];
  // Badges are there to be shown on pages of others, and the API to be read by them.
  app.use((c, next) => (/^\/(badge|api)\//.test(c.req.path) ? shared : own)(c, next));
  app.use(async ({ req, text, res: _ }, next) => {
    // The Host that a client names is part of it: "1.2.3.4.5" looks like a name and is none.
    if (!URL.canParse(req.url)) return text('This is not an address.\n', 400);
    const hook = req.method === 'POST' && req.path.startsWith('/trigger/');
    if (hook || req.method === 'GET' || req.method === 'HEAD') return next();
    return text('Only GET and HEAD.\n', 405, { Allow: 'GET, HEAD' });
  });
  app.get('/healthz', ({ text }) => text('ok\n'));
  app.use(limitedByKind());
  // Whoever began it: the service, or somebody on the command line.
  const isRunning = remembered(1000, async () => (await control.holder()) !== undefined);
  app.use(paced(isRunning));
  app.get('/readyz', async ({ text }) => {
    const problems = await control.unreadiness();
    if (problems.length > 0) return text(`${problems.join('\n')}\n`, 503);
    // One old record that is damaged is no reason to take the service away: it is told, and the rest goes on (I15).
    const damaged = await work.damaged();
    return text(['ready', ...damaged.map(({ error }) => `warning: ${error.message}`), ''].join('\n'));
  });
  app.get('/metrics', async ({ body }) =>
    body(await metrics(), 200, {
      'Content-Type': 'text/plain; version=0.0.4; charset=utf-8',
      'Cache-Control': 'no-store',
    }),
  );
  addTrigger(app, config, control);
  const answer = withPageCache(pages);
  // As a whole, so that their own page answers what is nowhere.
  app.all('*', ({ req }) => answer(req.raw));
  app.onError(errorAnswer(log, 'the log of the service'));
  return app;
}

/** @param who may use what is answered: pages of this service only, or those of others as well */
function headersFor(who: 'same-origin' | 'cross-origin') {
  return secureHeaders({
    contentSecurityPolicy: {
      defaultSrc: ["'none'"],
      styleSrc: ["'self'"],
      scriptSrc: ["'self'"],
      imgSrc: ["'self'", 'data:'],
      connectSrc: ["'self'"],
      baseUri: ["'none'"],
      formAction: ["'self'"],
      frameAncestors: ["'none'"],
    },
    crossOriginOpenerPolicy: 'same-origin',
    crossOriginResourcePolicy: who,
    referrerPolicy: 'no-referrer',
    xFrameOptions: 'DENY',
    // The service itself speaks plain HTTP; whoever puts TLS in front of it promises that there.
    strictTransportSecurity: false,
    xXssProtection: false,
    xDownloadOptions: false,
  });
}

/** Looks a stream up, and asks for its nightly build. */
async function askNight(context: Context, config: Config, control: ServiceControl, who: string): Promise<Response> {
  const name = context.req.param('stream') ?? '';
  const stream = Object.hasOwn(config.streams, name) ? config.streams[name] : undefined;
  if (!stream) return context.json({ error: 'there is no such stream' }, 404);
  if (stream.release) return context.json({ error: 'a release stream is fed by promotion only' }, 409);
  if (control.draining()) return context.json({ error: 'the service is stopping' }, 409);
  const begins = await control.trigger(name, who);
  return context.json({ stream: name, begins: begins.toISOString() }, 202);
}

/** Asks for a tag of koji to be processed again. */
async function askTag(context: Context, control: ServiceControl, who: string): Promise<Response> {
  const tag = context.req.param('tag') ?? '';
  if (!tagName.safeParse(tag).success) return context.json({ error: 'no rule is for that tag' }, 404);
  if (control.draining()) return context.json({ error: 'the service is stopping' }, 409);
  try {
    await control.askContent(tag, who);
  } catch (error) {
    if (asNightlyError(error).code !== 'usage') throw error;
    return context.json({ error: 'no rule is for that tag' }, 404);
  }
  return context.json({ tag }, 202);
}

/** `POST /trigger/STREAM` and `/trigger/content/TAG` with a bearer token: 202 and when it begins, else 401, 404, 409, 413 or 429. */
function addTrigger(app: Hono, config: Config, control: ServiceControl): void {
  if (config.service.tokenHashFile === undefined) return;
  const requests = rateLimit(REQUESTS_A_MINUTE, 60_000);
  const wrong = rateLimit(WRONG_TOKENS_A_MINUTE, 60_000);
  const tokens = () => control.read('trigger-tokens');
  const tokensOfLate = remembered(1000, tokens);
  const guarded = (act: (context: Context, who: string) => Promise<Response>) => async (context: Context) => {
    const who = getConnInfo(context).remote.address ?? 'somebody';
    const tooMany = (seconds: number) =>
      context.json({ error: 'too many requests' }, 429, { 'Retry-After': String(seconds) });
    const group = addressGroup(who);
    const token = bearerToken(context.req.header('authorization'));
    // Read each time: a token is added or taken back without a restart. Whoever guesses has it read once in a second.
    const known = token === undefined ? '' : await (wrong.spent(group) ? tokensOfLate() : tokens());
    if (token === undefined || !isKnownToken(token, known ?? '')) {
      const wait = wrong.take(group);
      if (wait > 0) return tooMany(wait);
      return context.json({ error: 'a known token is needed' }, 401, { 'WWW-Authenticate': 'Bearer' });
    }
    // Of the token, not of the address: behind a web server all have one, and others who guess from there must not use it up.
    const wait = requests.take(token);
    return wait > 0 ? tooMany(wait) : act(context, `${who} over HTTP`);
  };
  const limit = bodyLimit({ maxSize: MAX_BODY_BYTES });
  app.post(
    '/trigger/content/:tag',
    limit,
    guarded((context, who) => askTag(context, control, who)),
  );
  app.post(
    '/trigger/:stream',
    limit,
    guarded((context, who) => askNight(context, config, control, who)),
  );
}
