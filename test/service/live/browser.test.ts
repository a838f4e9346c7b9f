import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { buildPaths } from '../../../src/build/build-store.ts';
import { openJournal } from '../../../src/build/journal.ts';
import { run } from '../../../src/programs/exec.ts';
import { createRunner } from '../../../src/run/runner.ts';
import { pagesApp } from '../../../src/service/live/live-app.ts';
import { openWork } from '../../../src/service/live/work-folder.ts';
import { axeViolations, LOOKS, openBrowser, openPage } from '../../support/browser.ts';
import { makePageBuilds } from '../../support/page-builds.ts';
import { serveApp } from '../../support/serve-app.ts';
import { temporaryFolder } from '../../support/tmp.ts';

const SHOTS = new URL('../../../test-results/pages', import.meta.url).pathname;

let browser: Browser;
beforeAll(async () => {
  mkdirSync(SHOTS, { recursive: true });
  browser = await openBrowser();
});
afterAll(() => browser.close());

async function site(nights = 24) {
  const builds = await makePageBuilds(temporaryFolder(), nights);
  const url = await serveApp(
    pagesApp({
      config: builds.config,
      work: openWork(builds.config.work),
      nextRuns: () => [{ stream: 'nightly', at: new Date('2026-11-22T02:30:00Z') }],
    }),
  );
  return { builds, url };
}

test.each(Object.keys(LOOKS) as (keyof typeof LOOKS)[])(
  'every page is without fault for axe, console and content security policy: %s',
  async (look) => {
    const { builds, url } = await site();
    const [bad, good] = [builds.ids[18], builds.ids[19]];
    const pages: [string, string][] = [
      ['overview', '/'],
      ['stream', '/streams/nightly/'],
      ['build', `/builds/${good}/x86_64/`],
      ['failed-build', `/builds/${bad}/x86_64/`],
      ['candidate', `/builds/${builds.candidate}/x86_64/`],
      ['release', `/builds/${builds.released}/x86_64/`],
      ['compare', `/compare/${bad}/${good}`],
      ['log', `/builds/${good}/log/compose`],
      ['get', '/get/'],
      ['missing', '/streams/nobody/'],
    ];
    const { page, complaints } = await openPage(browser, look);
    const found: string[] = [];
    for (const [name, path] of pages) {
      const expected = name === 'missing' ? 404 : 200;
      expect((await page.goto(url + path))?.status(), path).toBe(expected);
      found.push(...(await axeViolations(page)).map((fault) => `${name}: ${fault}`));
      // Nothing but tables and code is wider than the screen.
      const overflow = await page.evaluate(
        'document.documentElement.scrollWidth - document.documentElement.clientWidth',
      );
      if (overflow !== 0) found.push(`${name}: ${overflow} px too wide`);
      await page.screenshot({ path: join(SHOTS, `${name}-${look}.png`), fullPage: true });
    }
    // Chromium reports the page that is missing on purpose.
    expect([...found, ...complaints.filter((text) => !text.includes('status of 404'))]).toEqual([]);
  },
);

test('on a phone no line of a list begins with the dot between two facts, nor does one end a list', async () => {
  const { url } = await site(12);
  const { page } = await openPage(browser, 'phone');
  for (const path of ['/', '/search/?package=*']) {
    await page.goto(url + path);
    const dots: string[] = await page.evaluate(
      `[...document.querySelectorAll('.builds tr')].map((row) =>
        [...row.cells].filter((cell) => cell.textContent).map((cell) => getComputedStyle(cell, '::after').content)
          .map((dot) => (dot === 'none' ? '.' : dot === '"\u00a0· "' ? '-' : dot)).join(''))`,
    );
    // Between any two of them, but neither behind the name nor before the lines of changes.
    expect(new Set(dots.slice(1).map((row) => row.replace(/^\.-+/, '')))).toEqual(new Set([path === '/' ? '.' : '..']));
  }
});

test('from the overview to a build, its log and the one before, by keyboard alone', async () => {
  const { builds, url } = await site(12);
  const { page, complaints } = await openPage(browser);
  const focused = () => page.evaluate('document.activeElement.textContent.trim()');
  const tabTo = async (text: string) => {
    for (let count = 0; count < 120 && (await focused()) !== text; count += 1) await page.keyboard.press('Tab');
    expect(await focused()).toBe(text);
    // Whoever goes by keyboard sees where they are.
    expect(await page.evaluate('getComputedStyle(document.activeElement).outlineStyle')).toBe('solid');
  };
  await page.goto(url);
  await tabTo('Skip to content');
  await page.keyboard.press('Enter');
  await tabTo(String(builds.ids[11]));
  await page.keyboard.press('Enter');
  await page.waitForURL(/builds\/20261012_01\/x86_64\/$/);
  await tabTo('11 finished steps');
  await page.keyboard.press('Enter');
  await tabTo('compose');
  await page.keyboard.press('Enter');
  await page.waitForURL(/log\/compose$/);
  expect(await page.locator('pre.log').textContent()).toContain(`working on ${builds.ids[11]}`);
  await tabTo(String(builds.ids[11]));
  await page.keyboard.press('Enter');
  await page.waitForURL(/builds\/20261012_01\/x86_64\/$/);
  await tabTo(String(builds.ids[10]));
  await page.keyboard.press('Enter');
  await page.waitForURL(/builds\/20261011_01\/x86_64\/$/);
  expect(complaints).toEqual([]);
});

test('a run that somebody else started shows live: steps, times, the end of the log, and its end in the list', async () => {
  const { builds, url } = await site(6);
  const id = '20261120_01';
  const paths = buildPaths(builds.config.work, id, 'x86_64');
  const meta = { ...builds.meta(String(builds.ids[0])), buildid: id, state: 'running' as const };
  const { page, complaints } = await openPage(browser);
  await page.goto(url);
  const now = page.locator('#now');
  await now.getByText('Nothing is running').waitFor();

  builds.hold('nightly');
  builds.write(meta, []);
  const journal = await openJournal(paths.journal);
  const { signal } = new AbortController();
  const runner = createRunner({ journal, logDir: paths.logs, signal, listen: () => undefined });
  let finish: () => void = () => undefined;
  const finished = new Promise<void>((resolve) => {
    finish = resolve;
  });
  await runner.step('seed', {}, async () => undefined);
  const step = runner.step('compose', {}, async (task) => {
    await run('echo', ['<b>installing</b> \u202egnp.exe'], { task });
    await finished;
  });
  await now.locator('.current li', { hasText: 'compose' }).waitFor();
  await now.getByText('1 finished step').click();
  await now.getByText('seed').waitFor();
  await now.locator('pre.tail', { hasText: '<b>installing</b> \uFFFDgnp.exe' }).waitFor();
  await page.locator('#builds th', { hasText: id }).waitFor();
  await page.screenshot({ path: join(SHOTS, 'running.png') });
  expect(await axeViolations(page)).toEqual([]);
  // A reader on the log link keeps their place when the part around it is shown anew.
  await now.getByRole('link', { name: 'compose' }).focus();
  const before = await now.locator('.running .number').textContent();
  await expect.poll(() => now.locator('.running .number').textContent()).not.toBe(before);
  expect(await page.evaluate('document.activeElement.id')).toBe('now-compose');
  // So does whoever unfolded what is done.
  expect(await now.getByText('seed').isVisible()).toBe(true);

  finish();
  await step;
  await now.locator('.steps li', { hasText: 'compose' }).getByText('done').waitFor();
  builds.write({ ...meta, state: 'complete' });
  await run('rm', [join(builds.config.work, 'lock.json')]);
  await now.getByText('Nothing is running').waitFor();
  await page.locator('#builds tr', { hasText: id }).getByText('complete').waitFor();
  expect(complaints).toEqual([]);
});
