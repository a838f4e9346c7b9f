import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { setImmediate as yieldToOthers } from 'node:timers/promises';
import { type Context, Hono } from 'hono';
import { NightlyError } from '../../base/errors.ts';
import { bytesIfThere } from '../../base/files.ts';
import type { Config } from '../../config/config.ts';
import { auditFolder, readAuditReport } from '../../publish/audit/audit-report.ts';
import { auditPage } from '../../reports/pages/audit-page.ts';
import { badge, badgePath } from '../../reports/pages/badge.ts';
import { brandOf } from '../../reports/pages/brand.ts';
import { comparePage } from '../../reports/pages/compare-page.ts';
import { feed } from '../../reports/pages/feed.ts';
import { getPage } from '../../reports/pages/get-page.ts';
import { encodeName } from '../../reports/pages/links.ts';
import { pageView } from '../../reports/pages/page.ts';
import { ASSETS, readAsset, render } from '../../reports/pages/render-page.ts';
import { lockHolder } from '../../run/lock-holder.ts';
import { apiApp } from '../api/api-app.ts';
import { liveBuildPage } from './build-view.ts';
import { allTags, oneTag } from './content-view.ts';
import { findLog } from './current-run.ts';
import { createDifferences } from './differences.ts';
import { oneStream, overview } from './lists.ts';
import { type NextRuns, takeSnapshot, type WebContext } from './live-context.ts';
import { createEvents } from './live-events.ts';
import { logPage } from './log-view.ts';
import { offeredStreams, publicUrlOf } from './offers.ts';
import { allBuilders, oneDispute, withBuilders } from './rebuild-view.ts';
import { searchResults } from './search.ts';
import type { Work } from './work-folder.ts';

export interface PagesOptions {
  readonly config: Config;
  readonly work: Work;
  /** When streams run next, soonest first. */
  readonly nextRuns?: NextRuns;
  /** What the service does about tags of koji. */
  readonly content?: WebContext['content'];
  /** Who has the run lock; default: as the work folder says. */
  readonly holder?: WebContext['holder'];
  /** The picture of the distribution; default: none. */
  readonly logo?: WebContext['logo'];
  /** What is wrong with signing keys; default: nothing is known of them. */
  readonly keyProblems?: WebContext['keyProblems'];
}

/**
 * Returns the pages over a work folder, for reading only: whatever is asked, nothing changes. All of it is read from
 * disk each time (again only what changed), so runs show whoever started them. Addresses below the app's own path are
 * relative.
 */
export function pagesApp({
  config,
  work,
  nextRuns = () => [],
  content = () => undefined,
  holder = () => lockHolder(work.folder),
  logo = async () => undefined,
  keyProblems = async () => [],
}: PagesOptions): Hono {
  const context: WebContext = { config, work, nextRuns, content, holder, logo, keyProblems };
  const brand = brandOf(config);
  const difference = createDifferences(join(config.work, 'repo'));
  const app = new Hono();
  const html = async (c: Context, name: string, view: object, status: 200 | 404 = 200) => {
    // Both what a page says and its template take their time: those who ask for less have their turn in between (I15).
    await yieldToOthers();
    return c.html(render(name, view), status, { 'cache-control': 'no-cache' });
  };
  const missing = (c: Context, message: string) => {
    const depth = Math.max(0, c.req.path.split('/').length - 2);
    const page = pageView(brand.name, 'Not found', { depth, live: true });
    return html(c, 'fault', { ...page, heading: '', message }, 404);
  };

  /** One whose record is damaged is there: what is wrong with it is told on its page (I15). */
  const noBuild = async (c: Context) => {
    const found = await work.damagedBuild(c.req.param('id') ?? '', c.req.param('arch'));
    if (!found) return missing(c, 'There is no such build.');
    const depth = Math.max(0, c.req.path.split('/').length - 2);
    const page = pageView(brand.name, `Build ${found.id}`, { depth, live: true });
    return html(
      c,
      'fault',
      { ...page, heading: `Build ${found.id}`, message: `${found.error.message} ${found.error.hint ?? ''}` },
      200,
    );
  };

  app.get('/', async (c) => html(c, 'overview', await overview(context, c.req.query('before'))));
  app.get('/streams/:stream/', async (c) => {
    const name = c.req.param('stream');
    const stream = Object.hasOwn(config.streams, name) ? config.streams[name] : undefined;
    if (!stream) return missing(c, 'There is no such stream.');
    return html(c, 'stream', await oneStream(context, stream, c.req.query('before')));
  });
  app.get('/content/', async (c) => html(c, 'content', await allTags(context)));
  app.get('/content/:tag/', async (c) => {
    const view = await oneTag(context, c.req.param('tag'));
    return view ? html(c, 'tag', view) : missing(c, 'There is no such tag.');
  });
  app.get('/builds/:id/', async (c) => {
    const build = await context.work.build(c.req.param('id'));
    if (!build) return noBuild(c);
    return c.redirect(`./${encodeName(build.meta.basearch)}/`);
  });
  app.get('/builds/:id/:arch/', async (c) => {
    const view = await liveBuildPage(context, c.req.param('id'), c.req.param('arch'));
    return view ? html(c, 'build', view) : noBuild(c);
  });
  app.get('/builds/:id/log/:step', async (c) => {
    const { id, step } = c.req.param();
    if (c.req.query('raw') === undefined) {
      const view = await logPage(context, { id, step, query: c.req.query('q'), line: c.req.query('line') });
      return view ? html(c, 'log', view) : missing(c, 'There is no such log.');
    }
    const build = await context.work.build(id);
    const path = build && (await findLog(build, step));
    if (path === undefined) return missing(c, 'There is no such log.');
    const headers = { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' };
    return c.body(Readable.toWeb(createReadStream(path)) as ReadableStream, 200, headers);
  });
  app.get('/compare', (c) => {
    const [from = '', to = ''] = [c.req.query('from'), c.req.query('to')];
    return c.redirect(`compare/${encodeName(from)}/${encodeName(to)}`);
  });
  app.get('/compare/:a/:b', async (c) => {
    const [from, to] = await Promise.all([context.work.build(c.req.param('a')), context.work.build(c.req.param('b'))]);
    if (!from || !to) return missing(c, 'There is no such build.');
    try {
      return html(c, 'compare', comparePage(from.meta, to.meta, await difference(from, to), true));
    } catch (error) {
      if (error instanceof NightlyError && error.code === 'not-found') return missing(c, error.message);
      throw error;
    }
  });
  app.get('/get/', async (c) => {
    const { builds } = await takeSnapshot(context);
    const shown = (await logo()) ? brand : { ...brand, logo: '' };
    return html(c, 'get', getPage(shown, offeredStreams(config, builds), true));
  });
  app.get('/feed.atom', async (c) => {
    const { builds } = await takeSnapshot(context);
    const metas = builds.map(({ meta }) => meta);
    return c.body(feed(brand.name, { url: publicUrlOf(config), builds: metas, live: true }), 200, {
      'content-type': 'application/atom+xml; charset=utf-8',
      'cache-control': 'no-cache',
    });
  });
  app.get('/events', createEvents(context));
  app.route('/api/v1', apiApp(context));
  app.get('/badge/:file', async (c) => {
    const stream = Object.keys(config.streams).find((name) => badgePath(name) === `badge/${c.req.param('file')}`);
    if (stream === undefined) return missing(c, 'There is no such stream.');
    const { list } = await takeSnapshot(context);
    return c.body(badge(stream, list.of(stream)), 200, {
      'content-type': 'image/svg+xml',
      'cache-control': 'no-cache',
    });
  });
  app.get('/search/', async (c) => html(c, 'search', await searchResults(context, new URL(c.req.url).searchParams)));
  if (config.audit !== undefined) {
    const { targets } = config.audit;
    app.get('/audit/', async (c) => {
      const read = (target: string) => readAuditReport(config.work, target).catch(() => undefined);
      const audits = await Promise.all(targets.map(async (target) => ({ target, report: await read(target) })));
      return html(c, 'audit', auditPage(brand.name, audits));
    });
    app.get('/audit/evidence/:name', async (c) => {
      const name = c.req.param('name');
      const reports = await Promise.all(
        targets.map((target) => readAuditReport(config.work, target).catch(() => undefined)),
      );
      const isKept = reports.some((report) => report?.evidence.includes(name));
      const content = isKept ? await bytesIfThere(join(auditFolder(config.work), name)) : undefined;
      if (!content) return missing(c, 'There is no such evidence.');
      return c.body(new Uint8Array(content), 200, {
        'content-type': 'text/plain; charset=utf-8',
        'x-content-type-options': 'nosniff',
      });
    });
  }
  const rebuilding = withBuilders(config);
  if (rebuilding !== undefined) {
    app.get('/builders/', async (c) => html(c, 'builders', await allBuilders(rebuilding)));
    app.get('/builders/disputes/:id', async (c) => {
      const view = await oneDispute(rebuilding, c.req.param('id'));
      return view ? html(c, 'dispute', view) : missing(c, 'There is no such dispute.');
    });
  }
  app.get('/assets/:name', async (c) => {
    const name = c.req.param('name');
    const picture = name === brand.logo ? await logo() : undefined;
    const [content, type] = picture ? [picture.content, picture.type] : [readAsset(name), ASSETS[name]];
    if (!content) return missing(c, 'There is no such file.');
    return c.body(new Uint8Array(content), 200, { 'content-type': type ?? '', 'cache-control': 'max-age=300' });
  });
  const folders = [
    '/streams/:stream',
    '/builds/:id',
    '/builds/:id/:arch',
    '/get',
    '/search',
    '/audit',
    '/builders',
    '/content',
    '/content/:tag',
  ];
  for (const path of folders) {
    app.get(path, (c) => c.redirect(`${encodeName(c.req.path.slice(c.req.path.lastIndexOf('/') + 1))}/`));
  }
  app.notFound((c) => missing(c, 'There is no such page.'));
  return app;
}
