import { join } from 'node:path';
import { Hono } from 'hono';
import { bytesIfThere } from '../../base/files.ts';
import type { Config } from '../../config/config.ts';
import { auditFolder, readAuditReport } from '../../publish/audit/audit-report.ts';
import { auditPage } from '../../reports/pages/audit-page.ts';
import { badge, badgePath } from '../../reports/pages/badge.ts';
import { brandOf } from '../../reports/pages/brand.ts';
import { feed } from '../../reports/pages/feed.ts';
import { getPage } from '../../reports/pages/get-page.ts';
import { encodeName } from '../../reports/pages/links.ts';
import { ASSETS, readAsset } from '../../reports/pages/render-page.ts';
import { lockHolder } from '../../run/lock-holder.ts';
import { apiApp } from '../api/api-app.ts';
import { addBuilds } from './build-routes.ts';
import { allTags, oneTag } from './content-view.ts';
import { oneStream, overview } from './lists.ts';
import { createAnswers, type LiveAnswers, PLAIN_TEXT } from './live-answers.ts';
import { type NextRuns, takeSnapshot, type WebContext } from './live-context.ts';
import { createEvents } from './live-events.ts';
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
  /** What is wrong beside builds; default: nothing is known of that. */
  readonly standingProblems?: WebContext['standingProblems'];
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
  standingProblems = async () => [],
}: PagesOptions): Hono {
  const context: WebContext = { config, work, nextRuns, content, holder, logo, standingProblems };
  const app = new Hono();
  const answers = createAnswers(brandOf(config).name);
  addLists(app, context, answers);
  addBuilds(app, context, answers);
  addDownloads(app, context, answers);
  app.get('/events', createEvents(context));
  app.route('/api/v1', apiApp(context));
  addAudits(app, context, answers);
  addBuilders(app, context, answers);
  addAssets(app, context, answers);
  addFolders(app);
  app.notFound((c) => answers.missing(c, 'There is no such page.'));
  return app;
}

/** Adds what lists builds: the overview, streams, tags of koji, the search. */
function addLists(app: Hono, context: WebContext, { html, missing }: LiveAnswers): void {
  const { config } = context;
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
  app.get('/search/', async (c) => html(c, 'search', await searchResults(context, new URL(c.req.url).searchParams)));
}

/** Adds what people use elsewhere: the page of downloads, the feed, badges of streams. */
function addDownloads(app: Hono, context: WebContext, { html, missing }: LiveAnswers): void {
  const { config, logo } = context;
  const brand = brandOf(config);
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
  app.get('/badge/:file', async (c) => {
    const stream = Object.keys(config.streams).find((name) => badgePath(name) === `badge/${c.req.param('file')}`);
    if (stream === undefined) return missing(c, 'There is no such stream.');
    const { list } = await takeSnapshot(context);
    return c.body(badge(stream, list.of(stream)), 200, {
      'content-type': 'image/svg+xml',
      'cache-control': 'no-cache',
    });
  });
}

/** Adds the results of audits and their evidence, where audits are configured. */
function addAudits(app: Hono, { config }: WebContext, { html, missing }: LiveAnswers): void {
  if (config.audit === undefined) return;
  const { targets } = config.audit;
  const read = (target: string) => readAuditReport(config.work, target).catch(() => undefined);
  app.get('/audit/', async (c) => {
    const audits = await Promise.all(targets.map(async (target) => ({ target, report: await read(target) })));
    return html(c, 'audit', auditPage(brandOf(config).name, audits));
  });
  app.get('/audit/evidence/:name', async (c) => {
    const name = c.req.param('name');
    const reports = await Promise.all(targets.map(read));
    const isKept = reports.some((report) => report?.evidence.includes(name));
    const content = isKept ? await bytesIfThere(join(auditFolder(config.work), name)) : undefined;
    if (!content) return missing(c, 'There is no such evidence.');
    return c.body(new Uint8Array(content), 200, PLAIN_TEXT);
  });
}

/** Adds builders and disputes of results, where builders are configured. */
function addBuilders(app: Hono, { config }: WebContext, { html, missing }: LiveAnswers): void {
  const rebuilding = withBuilders(config);
  if (rebuilding === undefined) return;
  app.get('/builders/', async (c) => html(c, 'builders', await allBuilders(rebuilding)));
  app.get('/builders/disputes/:id', async (c) => {
    const view = await oneDispute(rebuilding, c.req.param('id'));
    return view ? html(c, 'dispute', view) : missing(c, 'There is no such dispute.');
  });
}

/** Adds style, scripts and pictures of the pages. */
function addAssets(app: Hono, { config, logo }: WebContext, { missing }: LiveAnswers): void {
  const brand = brandOf(config);
  app.get('/assets/:name', async (c) => {
    const name = c.req.param('name');
    const picture = name === brand.logo ? await logo() : undefined;
    const [content, type] = picture ? [picture.content, picture.type] : [readAsset(name), ASSETS[name]];
    if (!content) return missing(c, 'There is no such file.');
    return c.body(new Uint8Array(content), 200, { 'content-type': type ?? '', 'cache-control': 'max-age=300' });
  });
}

/** Pages below which there are others: their addresses end with a slash. */
const FOLDERS = [
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

function addFolders(app: Hono): void {
  for (const path of FOLDERS) {
    app.get(path, (c) => c.redirect(`${encodeName(c.req.path.slice(c.req.path.lastIndexOf('/') + 1))}/`));
  }
}
