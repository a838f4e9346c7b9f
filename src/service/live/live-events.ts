import { setTimeout as pause } from 'node:timers/promises';
import type { Context } from 'hono';
import { streamSSE } from 'hono/streaming';
import { remembered } from '../../base/remembered.ts';
import { createLinks } from '../../reports/pages/links.ts';
import { nowView } from '../../reports/pages/now.ts';
import { render } from '../../reports/pages/render-page.ts';
import { currentRun } from './current-run.ts';
import { takeSnapshot, type WebContext } from './live-context.ts';

/** How often the journal is looked at while somebody watches, and how long silence may last before a sign of life. */
const EVERY_MS = 1000;
const QUIET_MS = 15_000;

/** What all viewers are sent at a moment. */
interface Moment {
  /** Id of the build under way. */
  readonly id: string | undefined;
  /** The part of a page that shows it, or that nothing is under way. */
  readonly html: string;
  /** Changes whenever a record did or a run begins or ends. */
  readonly version: string;
}

/**
 * Gives a handler of server-sent events for `assets/live.js`, which last until the reader disconnects. `now`: the part
 * of the page that shows the run, as HTML; `changed`: builds began, ended or were approved, so the rest of the page is
 * out of date. However many watch, the work folder is looked at once.
 */
export function createEvents(context: WebContext): (c: Context) => Response {
  // Links differ by how deep below the app's own path the page is.
  const moments = new Map(
    ['0', '1', '2', '3'].map((depth) => [depth, remembered(EVERY_MS, () => momentAt(context, Number(depth)))]),
  );
  return (c) => {
    const moment = moments.get(c.req.query('depth') ?? '0');
    return moment ? send(c, moment) : c.text('depth is 0 to 3.\n', 400);
  };
}

function send(c: Context, moment: () => Promise<Moment>): Response {
  const only = c.req.query('build');
  return streamSSE(c, async (stream) => {
    let [shown, version, spoke] = ['', '', performance.now()];
    const tell = async (event: string, data: string) => {
      spoke = performance.now();
      await stream.writeSSE({ event, data });
    };
    while (!stream.aborted && !stream.closed) {
      const { id, html, version: next } = await moment();
      const now = only === undefined || id === only ? html : '';
      if (now !== shown) await tell('now', now);
      if (version !== '' && next !== version) await tell('changed', next);
      [shown, version] = [now, next];
      if (performance.now() - spoke > QUIET_MS) await tell('alive', '');
      await pause(EVERY_MS);
    }
  });
}

async function momentAt(context: WebContext, depth: number): Promise<Moment> {
  const { builds, holder } = await takeSnapshot(context);
  const running = await currentRun(context.work, builds, holder);
  const view = nowView(running, context.nextRuns(), { links: createLinks(depth, true), now: Date.now() });
  return {
    id: running?.id,
    html: render('now-part', { now: view }),
    version: `${context.work.version()} ${holder?.since ?? ''}`,
  };
}
