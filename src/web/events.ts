import { setTimeout as pause } from 'node:timers/promises';
import type { Context } from 'hono';
import { streamSSE } from 'hono/streaming';
import { createLinks } from '../pages/links.ts';
import { nowView } from '../pages/now.ts';
import { render } from '../pages/render.ts';
import { takeSnapshot, type WebContext } from './context.ts';
import { currentRun } from './current-run.ts';

/** How often the journal is looked at while somebody watches, and how long silence may last before a sign of life. */
const EVERY_MS = 1000;
const QUIET_MS = 15_000;

/**
 * Server-sent events for `assets/live.js`, until the reader goes away. `now`: the part of the page that shows the run, as
 * HTML; `changed`: builds began, ended or were approved, so the rest of the page is out of date.
 */
export function sendEvents(c: Context, context: WebContext): Response {
  const depth = Number(/^[0-3]$/.exec(c.req.query('depth') ?? '')?.[0] ?? 0);
  const only = c.req.query('build');
  const links = createLinks(depth, true);
  return streamSSE(c, async (stream) => {
    let [shown, version, spoke] = ['', '', Date.now()];
    const send = async (event: string, data: string) => {
      spoke = Date.now();
      await stream.writeSSE({ event, data });
    };
    while (!stream.aborted && !stream.closed) {
      const { builds, holder } = await takeSnapshot(context);
      const running = await currentRun(context.work, builds, holder);
      const visible = only === undefined || running?.id === only;
      const view = nowView(running, context.nextRuns(), { links, now: Date.now() });
      const now = visible ? render('now-part', { now: view }) : '';
      if (now !== shown) await send('now', now);
      const next = `${context.work.version()} ${holder?.since ?? ''}`;
      if (version !== '' && next !== version) await send('changed', next);
      [shown, version] = [now, next];
      if (Date.now() - spoke > QUIET_MS) await send('alive', '');
      await pause(EVERY_MS);
    }
  });
}
