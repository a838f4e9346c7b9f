import { setImmediate as yieldToOthers } from 'node:timers/promises';
import type { Context } from 'hono';
import { pageView } from '../../reports/pages/page.ts';
import { render } from '../../reports/pages/render-page.ts';

/** How the pages over a work folder answer. */
export interface LiveAnswers {
  /** Answers with a template that is filled in. */
  html(c: Context, template: string, view: object, status?: 200 | 404): Promise<Response>;
  /** Answers that there is no such thing. */
  missing(c: Context, message: string): Promise<Response>;
  /** Answers with a page that only says what is wrong with something that is there. */
  damaged(c: Context, title: string, message: string): Promise<Response>;
}

/** Headers of a file that a browser must show as text, whatever it holds. */
export const PLAIN_TEXT = { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' };

/** Returns the answers of pages. @param distribution its name, for titles */
export function createAnswers(distribution: string): LiveAnswers {
  const html: LiveAnswers['html'] = async (c, template, view, status = 200) => {
    // Both what a page says and its template take their time: those who ask for less have their turn in between (I15).
    await yieldToOthers();
    return c.html(render(template, view), status, { 'cache-control': 'no-cache' });
  };
  const emptyPage = (c: Context, title: string) => {
    const depth = Math.max(0, c.req.path.split('/').length - 2);
    return pageView(distribution, title, { depth, live: true });
  };
  return {
    html,
    missing: (c, message) => html(c, 'fault', { ...emptyPage(c, 'Not found'), heading: '', message }, 404),
    damaged: (c, title, message) => html(c, 'fault', { ...emptyPage(c, title), heading: title, message }),
  };
}
