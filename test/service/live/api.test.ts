import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Ajv2020 from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { beforeAll, expect, test } from 'vitest';
import { writeApprovals } from '../../../src/build/approvals.ts';
import { buildPaths } from '../../../src/build/build-store.ts';
import { run } from '../../../src/programs/exec.ts';
import { pagesApp } from '../../../src/service/live/live-app.ts';
import { openWork } from '../../../src/service/live/work-folder.ts';
import { statusOf } from '../../../src/service/status.ts';
import { makePageBuilds, type PageBuilds } from '../../support/page-builds.ts';
import { sharedFolder, temporaryFolder } from '../../support/tmp.ts';
import { runCli } from '../../support/world.ts';

let builds: PageBuilds;
let app: ReturnType<typeof pagesApp>;
const dir = sharedFolder();

// A month of nights, one of them damaged, and two promotions.
beforeAll(async () => {
  builds = await makePageBuilds(dir, 30);
  for (const id of [builds.candidate, builds.released])
    await writeApprovals(buildPaths(builds.config.work, id, 'x86_64').approvals, builds.meta(id).approvals ?? []);
  writeFileSync(buildPaths(builds.config.work, '20261013_01', 'x86_64').meta, '{');
  app = pagesApp({ config: builds.config, work: openWork(builds.config.work) });
});

async function get(path: string) {
  const response = await app.request(`/api/v1/${path}`);
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, json: JSON.parse(text) as unknown };
}

const idsOf = (json: unknown): string[] => (json as { buildid: string }[]).map(({ buildid }) => buildid);

/** Ages go on while one looks. */
const ageless = (text: string): unknown =>
  JSON.parse(text.replaceAll(/("(?:atomic-nightly\.age-seconds|ageSeconds|free)": ?)\d+/g, '$10'));

test('the API says what list, show and status print with --json', async () => {
  const list = await runCli(dir, ['list', '--json', '--limit', '100']);
  expect(ageless((await get('builds?limit=100')).text)).toEqual(ageless(list.stdout));
  const show = await runCli(dir, ['show', builds.candidate, '--json', '--no-updates']);
  expect(ageless((await get(`builds/${builds.candidate}`)).text)).toEqual(ageless(show.stdout));
  const status = JSON.stringify(await statusOf(builds.config));
  const keyless = (value: unknown) =>
    JSON.stringify(value)
      .replaceAll(/\{"problem":"Signing[^}]*\},?/g, '')
      .replaceAll(/"Signing[^"]*",?/g, '')
      .replaceAll(',]', ']');
  expect(keyless(ageless((await get('status')).text))).toBe(keyless(ageless(status)));
});

test('the document describes every answer: real ones are valid, and it names every parameter', async () => {
  const { json } = await get('openapi.json');
  const document = json as {
    openapi: string;
    paths: Record<string, { get: { parameters?: { name: string }[]; responses: Record<string, { content: object }> } }>;
    components: object;
  };
  expect(document.openapi).toBe('3.1.0');
  const ajv = addFormats.default(new Ajv2020.default({ strict: false }));
  ajv.addSchema({ $id: 'doc', ...document });
  const answers: [string, string, string][] = [
    ['/builds', 'builds?limit=100', '200'],
    ['/builds', 'builds?nonsense=1', '400'],
    ['/builds/{id}', `builds/${builds.released}`, '200'],
    ['/builds/{id}', 'builds/20261013_01', '200'],
    ['/builds/{id}', 'builds/nothing', '404'],
    ['/streams', 'streams', '200'],
    ['/status', 'status', '200'],
  ];
  for (const [path, address, status] of answers) {
    const { json: answer, ...rest } = await get(address);
    expect(String(rest.status), address).toBe(status);
    const pointer = `/paths/${path.replaceAll('/', '~1').replaceAll('{', '%7B').replaceAll('}', '%7D')}`;
    const check = ajv.compile({ $ref: `doc#${pointer}/get/responses/${status}/content/application~1json/schema` });
    check(answer);
    expect(check.errors, address).toBeNull();
    // A schema that lets everything through describes nothing.
    expect(check({ nothing: 1 }), address).toBe(false);
  }
  expect(document.paths['/builds']?.get.parameters?.map(({ name }) => name).sort()).toEqual(
    ['before', 'limit', 'package', 'since', 'state', 'stream', 'until'].sort(),
  );
});

test('builds are found by package, state, stream and date, and the list goes on', async () => {
  // Of 30 nights each third or so has openssl; fifteen nights have it in the drawing of the fixture.
  const openssl = idsOf((await get('builds?package=openssl&stream=nightly&limit=100')).json);
  const expected = builds.ids.filter(
    (id) => id !== '20261013_01' && builds.meta(id).pkgdiff?.some(([name]) => name === 'openssl'),
  );
  expect(openssl).toEqual(expected.toReversed());
  expect(openssl.length).toBeGreaterThan(5);
  expect(idsOf((await get('builds?package=open*&stream=nightly&limit=100')).json)).toEqual(openssl);
  expect(idsOf((await get('builds?package=open&limit=100')).json)).toEqual([]);
  expect(idsOf((await get('builds?state=incomplete')).json)).toEqual(['20261030_01', '20261019_01', '20261008_01']);
  expect(idsOf((await get('builds?stream=release')).json)).toEqual([builds.candidate, builds.released]);
  expect(idsOf((await get('builds?since=2026-10-20&until=2026-10-21')).json)).toEqual(['20261021_01', '20261020_01']);
  expect(idsOf((await get('builds?since=2026-10-20T02:30:01Z&until=2026-10-21T02:29:59Z')).json)).toEqual([]);
  expect(idsOf((await get('builds?state=damaged')).json)).toEqual(['20261013_01']);
  const seen: string[] = [];
  let address: string | undefined = 'builds?stream=nightly&limit=8';
  while (address !== undefined) {
    const { json, headers } = await get(address);
    seen.push(...idsOf(json));
    address = /<([^>]*)>; rel="next"/.exec(headers.get('link') ?? '')?.[1];
  }
  expect(seen).toEqual(builds.ids.filter((id) => id !== '20261013_01').toReversed());
});

test('I12: a wrong query is refused with what is wrong and why, and errors are JSON', async () => {
  const faults = async (query: string) =>
    ((await get(`builds?${query}`)).json as { faults: { parameter: string; why: string }[] }).faults;
  expect(await faults('limit=0&state=good&since=yesterday')).toEqual([
    {
      parameter: 'state',
      why: 'must be one of running, interrupted, unchanged, failed, incomplete, gate-failed, complete, damaged',
    },
    { parameter: 'since', why: 'must be a day, as in 2026-11-21, or a time of RFC 3339' },
    { parameter: 'limit', why: 'must be 1 to 100' },
  ]);
  expect(await faults('pacakge=bash')).toEqual([
    { parameter: 'pacakge', why: 'is none of package, state, stream, since, until, limit, before' },
  ]);
  expect(await faults('state=failed&state=complete')).toEqual([{ parameter: 'state', why: 'is there more than once' }]);
  expect(await faults('before=../../etc')).toHaveLength(1);
  expect((await get('status?verbose')).status).toBe(400);
  expect((await get('nothing')).status).toBe(404);
  expect((await get('nothing')).headers.get('access-control-allow-origin')).toBe('*');
});

test('a badge says how a stream stands in its title too, and nothing of others is markup in it', async () => {
  const badge = async (name: string) => {
    const response = await app.request(`/badge/${name}`);
    return { status: response.status, text: await response.text() };
  };
  const { text } = await badge('nightly.svg');
  expect(text).toContain('<title>nightly: incomplete 2026-10-30</title>');
  expect(text).toContain('aria-label="nightly: incomplete 2026-10-30"');
  const path = join(temporaryFolder(), 'badge.svg');
  writeFileSync(path, text);
  await run('xmllint', ['--noout', path]);
  expect((await badge('nobody.svg')).status).toBe(404);
  expect((await badge('..%2fnightly.svg')).status).toBe(404);
});

test('the search page tells a package’s history, goes on, and says what is wrong with a question', async () => {
  const page = async (query: string) => (await app.request(`/search/?${query}`)).text();
  const history = await page('package=openssl&state=&stream=nightly&since=&until=');
  expect(history).toContain('Builds in which <bdi>openssl</bdi> changed');
  expect(history).toMatch(
    /<bdi>openssl<\/bdi> <span class="kind upgraded">upgraded<\/span> <code>8\.28\.0-1\.el9<\/code>.*<code>8\.29\.0-1\.el9<\/code>/,
  );
  const more = /href="(\?[^"]*before[^"]*)" rel="next"/.exec(await page('stream=nightly'))?.[1];
  expect(await page(String(more).slice(1).replaceAll('&#x3D;', '=').replaceAll('&amp;', '&'))).toContain('20261001_01');
  expect(await page('since=now')).toContain('since must be a day');
  expect(await page('package=%3Cscript%3E')).toContain('&lt;script&gt;');
  expect(await page('package=nothing')).toContain('No build is like that');
});

test('months of a stream are a calendar in which each night leads to its build', async () => {
  const text = await (await app.request('/streams/nightly/')).text();
  const calendar = text.slice(text.indexOf('id="calendar"'), text.indexOf('id="trends-title"'));
  expect(calendar).toContain('<caption>October 2026');
  for (const id of builds.ids) {
    if (id === '20261013_01') expect(calendar).toContain('<td><span class="day">13</span></td>');
    else expect(calendar).toContain(`/builds/${id}/x86_64/" title="${id}: `);
  }
  expect(calendar).toContain('title="20261008_01: incomplete"');
  expect(calendar).toContain('title="20261006_01: unchanged"');
  // 1 October 2026 was a Thursday.
  expect(calendar).toMatch(/<tr><td><\/td><td><\/td><td><\/td><td><a /);
  expect(text).toMatch(/<a href="[^"]*20261029_01[^"]*" tabindex="-1"><rect class="bar/);
});
