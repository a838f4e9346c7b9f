import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import type { Context, Hono } from 'hono';
import { NightlyError } from '../../base/errors.ts';
import { comparePage } from '../../reports/pages/compare-page.ts';
import { encodeName } from '../../reports/pages/links.ts';
import { liveBuildPage } from './build-view.ts';
import { findLog } from './current-run.ts';
import { createDifferences } from './differences.ts';
import { type LiveAnswers, PLAIN_TEXT } from './live-answers.ts';
import type { WebContext } from './live-context.ts';
import { logPage } from './log-view.ts';

/** Adds the pages of single builds, their logs, and the comparison of two. */
export function addBuilds(app: Hono, context: WebContext, answers: LiveAnswers): void {
  const { html } = answers;
  app.get('/builds/:id/', async (c) => {
    const build = await context.work.build(c.req.param('id'));
    if (!build) return noBuild(c, context, answers);
    return c.redirect(`./${encodeName(build.meta.basearch)}/`);
  });
  app.get('/builds/:id/:arch/', async (c) => {
    const view = await liveBuildPage(context, c.req.param('id'), c.req.param('arch'));
    return view ? html(c, 'build', view) : noBuild(c, context, answers);
  });
  addLogs(app, context, answers);
  addComparisons(app, context, answers);
}

/** One whose record is damaged is there: what is wrong with it is told on its page (I15). */
async function noBuild(c: Context, { work }: WebContext, { missing, damaged }: LiveAnswers): Promise<Response> {
  const found = await work.damagedBuild(c.req.param('id') ?? '', c.req.param('arch'));
  if (!found) return missing(c, 'There is no such build.');
  return damaged(c, `Build ${found.id}`, `${found.error.message} ${found.error.hint ?? ''}`);
}

function addLogs(app: Hono, context: WebContext, { html, missing }: LiveAnswers): void {
  app.get('/builds/:id/log/:step', async (c) => {
    const { id, step } = c.req.param();
    if (c.req.query('raw') === undefined) {
      const view = await logPage(context, { id, step, query: c.req.query('q'), line: c.req.query('line') });
      return view ? html(c, 'log', view) : missing(c, 'There is no such log.');
    }
    const build = await context.work.build(id);
    const path = build && (await findLog(build, step));
    if (path === undefined) return missing(c, 'There is no such log.');
    return c.body(Readable.toWeb(createReadStream(path)) as ReadableStream, 200, PLAIN_TEXT);
  });
}

function addComparisons(app: Hono, { work, config }: WebContext, { html, missing }: LiveAnswers): void {
  const difference = createDifferences(join(config.work, 'repo'));
  app.get('/compare', (c) => {
    const [from = '', to = ''] = [c.req.query('from'), c.req.query('to')];
    return c.redirect(`compare/${encodeName(from)}/${encodeName(to)}`);
  });
  app.get('/compare/:a/:b', async (c) => {
    const [from, to] = await Promise.all([work.build(c.req.param('a')), work.build(c.req.param('b'))]);
    if (!from || !to) return missing(c, 'There is no such build.');
    try {
      return html(c, 'compare', comparePage(from.meta, to.meta, await difference(from, to), true));
    } catch (error) {
      if (error instanceof NightlyError && error.code === 'not-found') return missing(c, error.message);
      throw error;
    }
  });
}
