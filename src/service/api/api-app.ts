import { type Context, Hono } from 'hono';
import { currentState } from '../../build/about-build.ts';
import { comparePlaced, isBuildId } from '../../build/build-id.ts';
import { placeOf, surveyBuild } from '../../build/build-store.ts';
import { tagsOf } from '../../build/build-tags.ts';
import { printable, printedBuild, printedDamage } from '../../build/printed-build.ts';
import { brandOf } from '../../reports/pages/brand.ts';
import { type BuildQuery, findBuilds, parseBuildQuery } from '../live/build-query.ts';
import { judgeSnapshot, type Snapshot, takeSnapshot, type WebContext } from '../live/live-context.ts';
import { openApiDocument } from './openapi.ts';

/**
 * Returns the API, for reading only: builds, streams and status as `list --json`, `show --json` and `status --json` print
 * them. Pages of others may read it (CORS); errors are JSON as well.
 */
export function apiApp(context: WebContext): Hono {
  const app = new Hono();
  const json = (c: Context, value: unknown, status: 200 | 400 | 404 = 200, headers: Record<string, string> = {}) =>
    c.json(value, status, {
      'access-control-allow-origin': '*',
      'access-control-expose-headers': 'Link',
      'cache-control': 'no-cache',
      ...headers,
    });
  const plain = async (c: Context, answer: () => Promise<unknown>) => {
    const [name] = [...new URL(c.req.url).searchParams.keys()];
    if (name === undefined) return json(c, await answer());
    return json(c, { error: 'There are no parameters here.', faults: [{ parameter: name, why: 'is not known' }] }, 400);
  };

  app.get('/builds', async (c) => {
    const parsed = parseBuildQuery(new URL(c.req.url).searchParams);
    if ('faults' in parsed) {
      const error = parsed.faults.map(({ parameter, why }) => `"${parameter}" ${why}`).join('; ');
      return json(c, { error: `The query is wrong: ${error}.`, faults: parsed.faults }, 400);
    }
    const { builds, next } = await listed(context, await takeSnapshot(context), parsed.query);
    return json(c, builds, 200, next === undefined ? {} : { link: `<${next}>; rel="next"` });
  });
  app.get('/builds/:id', async (c) => {
    const found = await oneBuild(context, c.req.param('id'));
    return found ? plain(c, async () => found) : json(c, { error: 'There is no such build.' }, 404);
  });
  app.get('/streams', (c) => plain(c, async () => (await judgeSnapshot(context, await takeSnapshot(context))).streams));
  app.get('/status', (c) => plain(c, async () => judgeSnapshot(context, await takeSnapshot(context))));
  app.get('/openapi.json', (c) => plain(c, async () => openApiDocument(brandOf(context.config).name)));
  app.get('*', (c) => json(c, { error: 'There is nothing at this address; openapi.json says what there is.' }, 404));
  return app;
}

async function oneBuild(context: WebContext, id: string): Promise<object | undefined> {
  // Only names that were given out: a path of somebody's own never becomes one of ours (I12).
  if (!isBuildId(id)) return undefined;
  const { builds: mine, damaged } = await surveyBuild(context.work.folder, id);
  const [build] = mine;
  if (!build) return damaged[0] && printedDamage(damaged[0]);
  const { builds, holder } = await takeSnapshot(context);
  const tags = tagsOf(await context.work.tags(), id);
  return printedBuild(printable({ meta: build.meta, state: currentState(build, holder !== undefined), tags }, builds));
}

async function listed(
  { work }: WebContext,
  { builds: all, damaged }: Snapshot,
  query: BuildQuery,
): Promise<{ readonly builds: readonly object[]; readonly next: string | undefined }> {
  const { found, more } = findBuilds(all, query);
  // Looked through for each build of the answer: of thousands, few are promotions.
  const promotions = all.filter(({ meta }) => meta.promotion !== undefined);
  const known = await Promise.all(
    found.map(async ({ build: { meta, state, tags } }) => {
      // Lists have no more of a record than they need: answers have all of it.
      const survey = await surveyBuild(work.folder, meta.buildid);
      const whole = survey.builds.find((one) => one.meta.basearch === meta.basearch);
      return whole
        ? [{ place: placeOf(meta), printed: printedBuild(printable({ meta: whole.meta, state, tags }, promotions)) }]
        : [];
    }),
  );
  const { state, limit: _, ...others } = query;
  const isAsked = Object.keys(others).length === 0 && (state === undefined || state === 'damaged');
  const unknown = (isAsked ? damaged : []).map((one) => ({ place: { id: one.id }, printed: printedDamage(one) }));
  const builds = [...known.flat(), ...unknown].toSorted((a, b) => comparePlaced(b.place, a.place));
  const last = found.at(-1)?.build.meta.buildid;
  const next = more && last !== undefined ? `builds?${queryText({ ...query, before: last })}` : undefined;
  return { builds: builds.map(({ printed }) => printed), next };
}

function queryText(query: BuildQuery): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value !== undefined) parameters.set(name, value);
  return parameters.toString();
}
