import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { filesBelow } from '../../src/base/files.ts';
import { run } from '../../src/programs/exec.ts';
import { axeViolations, openBrowser, openPage } from '../support/browser.ts';
import { makeFileKey } from '../support/openpgp-key.ts';
import { journal, makeWorld, records, type World } from '../support/world.ts';

let world: World;
let browser: Browser;
let ids: string[];
let secret: string;

// Two nights of a stream that signs, and one of a stream whose target is another one.
beforeAll(async () => {
  const dir = await mkdtemp(join(tmpdir(), 'atomic-nightly-test-'));
  const key = await makeFileKey(dir);
  world = await makeWorld(dir, {
    images: ['generic-cloud'],
    stream: [`signing: {type: openpgp, key-file: ${key.keyFile}, passphrase-file: ${key.passphrase.file}}`],
  });
  const config = await readFile(world.config, 'utf8');
  const target = `  vault: {type: directory, path: ${dir}/vault, url: 'http://127.0.0.1:9/vault', pages: false}\n`;
  const stream = `  embargoed:\n    treefile: ${world.distro.treefile}\n    ref: mini/x86_64/embargoed\n    seed: {allow-new: true}\n    targets: [vault]\n`;
  await writeFile(world.config, `${config.replace('streams:\n', `${target}streams:\n`)}${stream}`);
  // Nobody answers there, so nothing of it is published.
  await world.nightly('nightly', 'embargoed');
  expect((await world.nightly('nightly', 'nightly')).code).toBe(0);
  await world.distro.bump('app');
  expect((await world.nightly('nightly', 'nightly')).code).toBe(0);
  const [first, ...nights] = (await records(world)).map((meta) => String(meta['buildid']));
  [secret, ids] = [String(first), nights];
  browser = await openBrowser();
});
afterAll(async () => {
  await browser.close();
  await world.stop();
  await rm(world.dir, { recursive: true, force: true });
});

const pageOf = (id: string | undefined): string => `builds/${id}/x86_64/index.html`;
const read = (path: string): Promise<string> => readFile(join(world.published, path), 'utf8');

test('a night publishes its pages, without JavaScript, readable from a plain file server by whoever has none', async () => {
  const { page, complaints } = await openPage(browser, 'light', { javaScriptEnabled: false });
  await page.goto(`${world.url}/index.html`);
  expect(await page.locator('#builds tbody tr').count()).toBe(2);
  await page
    .getByRole('row', { name: String(ids[1]) })
    .getByRole('link')
    .first()
    .click();
  expect(await page.locator('h1').textContent()).toBe(`Build ${ids[1]}`);
  expect(await page.locator('#packages-title ~ .wide tbody tr').textContent()).toContain('app');
  await page.getByRole('link', { name: String(ids[0]) }).click();
  expect(await page.locator('h1').textContent()).toBe(`Build ${ids[0]}`);
  await page.getByRole('link', { name: 'Get it' }).click();
  expect(await page.locator('h1').textContent()).toBe('Get mini');
  await page.getByRole('link', { name: 'Feed' }).waitFor();
  expect(complaints).toEqual([]);
});

test('each link of the published pages leads to something, and nothing is wrong with them for axe', async () => {
  const { page, complaints } = await openPage(browser, 'phone');
  const [pending, seen] = [[`${world.url}/index.html`], new Set<string>()];
  const faults: string[] = [];
  for (let url = pending.pop(); url !== undefined; url = pending.pop()) {
    if (seen.has(url) || !url.startsWith(world.url)) continue;
    seen.add(url);
    if (!new URL(url).pathname.endsWith('.html')) {
      const { status } = await fetch(url, { method: 'HEAD' });
      if (status !== 200) faults.push(`${url}: ${status}`);
      continue;
    }
    expect((await page.goto(url))?.status(), url).toBe(200);
    faults.push(...(await axeViolations(page)));
    // Only what can do without: commands are copied, and builds are searched, where JavaScript is.
    expect(await page.locator('script').count()).toBe(/\/(get|search)\/index\.html/.test(url) ? 1 : 0);
    pending.push(
      ...((await page.evaluate(
        '[...document.querySelectorAll("a[href], link[href]")].map((one) => new URL(one.getAttribute("href"), document.baseURI).href.split("#")[0])',
      )) as string[]),
    );
  }
  expect(faults).toEqual([]);
  expect(complaints).toEqual([]);
  // The pages, images with signatures, records, the feed, the key and the style.
  expect([...seen].filter((url) => url.endsWith('.html'))).toHaveLength(5);
  expect(seen.size).toBeGreaterThan(25);
  // A repair knows them as ours.
  expect((await world.nightly('publish', String(ids[1]), '--reconcile', '--dry-run')).stdout).not.toContain('not ours');
});

test('all builds are searched in the browser, from a plain file server, and an address keeps what was asked', async () => {
  const { page, complaints } = await openPage(browser, 'phone');
  await page.goto(`${world.url}/${pageOf(ids[1])}`);
  await page.locator('#packages-title ~ .wide').getByRole('link', { name: 'app', exact: true }).click();
  await page.getByRole('heading', { name: 'Builds in which app changed' }).waitFor();
  const rows = page.locator('#builds tbody tr');
  expect(await rows.count()).toBe(2);
  expect(await rows.first().textContent()).toMatch(/app upgraded \S+ → \S+/);
  expect(await rows.last().textContent()).toMatch(/app added \S+/);
  await page.getByLabel('Package that changed').fill('');
  await page.getByLabel('Stream').selectOption('nightly');
  await page.getByRole('button', { name: 'Search' }).click();
  await page.getByRole('heading', { name: 'Builds', exact: true }).waitFor();
  expect(new URL(page.url()).search).toBe('?stream=nightly');
  expect(await axeViolations(page)).toEqual([]);
  await page.goBack();
  await page.getByRole('heading', { name: 'Builds in which app changed' }).waitFor();
  await rows.first().getByRole('link').click();
  expect(await page.locator('h1').textContent()).toBe(`Build ${ids[1]}`);
  await page.goto(`${world.url}/search/index.html?package=<b>&until=2001-01-01`);
  await page.getByText('No build is like that.').waitFor();
  expect(complaints).toEqual([]);
});

test('what a user copies from there works: the key is that of the stream, the remote serves the ref', async () => {
  const text = await read('get/index.html');
  const lines = /<pre[^>]*><code>([^<]*)<\/code>/.exec(text)?.[1]?.replaceAll('&#x3D;', '=') ?? '';
  const add = /^ostree (remote add .*)$/m.exec(lines)?.[1] ?? '';
  const ref = /^rpm-ostree rebase (.*)$/m.exec(lines)?.[1] ?? '';
  const script = `set -e; cd "$1"; ${/^curl .*$/m.exec(lines)?.[0]}; ostree init --repo=r --mode=bare-user; ostree --repo=r ${add}; ostree --repo=r pull --commit-metadata-only ${ref}; ostree --repo=r rev-parse ${ref}`;
  const user = await mkdtemp(join(world.dir, 'user-'));
  const { stdout } = await run('sh', ['-c', script, 'sh', user]);
  expect(stdout.trim().split('\n').at(-1)).toBe((await records(world)).at(-1)?.['ostree-commit']);
});

test('I9, I11: pages name no path of this machine, no host and no stream that is not published there', async () => {
  const published = (await filesBelow(world.published)).filter((path) => /\.html$|\.atom$|^assets/.test(path));
  expect(published.length).toBeGreaterThan(5);
  for (const path of published) {
    const text = await read(path);
    for (const private_ of [world.dir, 'embargoed', secret, 'vault', hostname()]) {
      expect(text.includes(private_), `${path} names ${private_}`).toBe(false);
    }
  }
});

test('pages come after the records; when they cannot be written the build is incomplete, and resume writes them', async () => {
  await world.distro.bump('svc');
  const foreign = '<!doctype html><title>Our mirror</title>';
  await writeFile(join(world.published, 'index.html'), foreign);
  await rm(join(world.published, 'feed.atom'));
  // A folder in the place of a file can be written by nobody, root included.
  await mkdir(join(world.published, 'feed.atom'));
  const index = join(world.published, 'search/builds.json.gz');
  await writeFile(index, 'nothing');
  const night = await world.nightly('nightly', 'nightly');
  expect(night.code).toBe(1);
  const id = String((await records(world)).at(-1)?.['buildid']);
  const steps = (await journal(world, id))
    .filter(({ event }) => event !== 'start')
    .map(({ event, step }) => `${step} ${event}`);
  expect(steps.indexOf('publish-buildlogs done')).toBeLessThan(steps.indexOf('pages-buildlogs failed'));
  expect((await records(world)).at(-1)?.['atomic-nightly.state']).toBe('incomplete');
  expect(JSON.parse(await read('builds/builds.json')).builds[0].id).toBe(id);

  await rm(join(world.published, 'feed.atom'), { recursive: true });
  const resumed = await world.nightly('resume');
  expect(resumed.stderr).toContain('index.html on buildlogs was not made by atomic-nightly and is left alone');
  expect(resumed.stderr).toContain('search/builds.json.gz on target "buildlogs" is damaged: it does not unpack.');
  expect(resumed.code).toBe(0);
  const searched: { builds: { id: string }[] } = JSON.parse(gunzipSync(await readFile(index)).toString());
  expect(searched.builds.map((build) => build.id)).toEqual([id, ...ids.toReversed()]);
  expect(await read('index.html')).toBe(foreign);
  expect(await read(pageOf(id))).toContain(`<h1>Build ${id}</h1>`);
});
