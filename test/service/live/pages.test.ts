import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { writeApprovals } from '../../../src/build/approvals.ts';
import type { BuildMeta } from '../../../src/build/build-record.ts';
import { buildPaths } from '../../../src/build/build-store.ts';
import { run } from '../../../src/programs/exec.ts';
import { logoOf } from '../../../src/reports/pages/brand.ts';
import { pagesApp } from '../../../src/service/live/live-app.ts';
import { openWork } from '../../../src/service/live/work-folder.ts';
import { makePageBuilds } from '../../support/page-builds.ts';
import { temporaryFolder } from '../../support/tmp.ts';

const LOGO = Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>');

async function site(nights: number, change: (config: string) => string = (text) => text) {
  const dir = temporaryFolder();
  const builds = await makePageBuilds(dir, nights, change);
  const logo = async () => logoOf('logo.svg', LOGO);
  const app = pagesApp({ config: builds.config, work: openWork(builds.config.work), logo });
  const get = async (path: string) => {
    const response = await app.request(path);
    return { status: response.status, headers: response.headers, text: await response.text() };
  };
  return { dir, builds, app, get };
}

test('a work folder without a build has all its pages', async () => {
  const { builds, get } = await site(0);
  rmSync(builds.config.work, { recursive: true });
  for (const path of ['/', '/get/', '/streams/nightly/', '/feed.atom'])
    expect((await get(path)).status, path).toBe(200);
  expect((await get('/')).text).toContain('No builds yet');
});

test('the list goes on with older builds, and ends', async () => {
  const { builds, get } = await site(45);
  const seen: string[] = [];
  let path: string | undefined = '/streams/nightly/';
  while (path !== undefined) {
    const { text } = await get(path);
    const list = text.slice(text.indexOf('id="builds"'));
    seen.push(...[...list.matchAll(/<th scope="row"><a href="[^"]*">(\d{8}_\d\d)<\/a>/g)].map(([, id]) => String(id)));
    const older = /href="(\?before[^"]+)" rel="next"/.exec(text)?.[1];
    path = older && `/streams/nightly/${older.replace('&#x3D;', '=')}`;
  }
  expect(seen).toEqual(builds.ids.toReversed());
});

test('what changes on disk shows at the next look: a record, a journal, a build', async () => {
  const { builds, get } = await site(3);
  const id = String(builds.ids[2]);
  const before = await get(`/builds/${id}/x86_64/`);
  expect(before.text).not.toContain('qemu-img ended');
  builds.write({
    ...builds.meta(id),
    state: 'failed',
    failures: [{ step: 'compose', code: 'tool-failed', message: 'qemu-img ended with 1' }],
  });
  expect((await get(`/builds/${id}/x86_64/`)).text).toContain('qemu-img ended with 1');
  expect((await get('/')).text).toContain('failed');
  builds.write({ ...builds.meta(id), buildid: '20261119_01' });
  expect((await get('/')).text).toContain('20261119_01');
});

test('K19: a failure has its words once on the page of its build, and an earlier one of the same step beside it', async () => {
  const { builds, get } = await site(3);
  const id = String(builds.ids[2]);
  const failed = { event: 'failed', step: 'compose', input: 'x', seconds: 1, code: 'tool-failed' } as const;
  builds.write(
    {
      ...builds.meta(id),
      state: 'failed',
      failures: [{ step: 'compose', code: 'tool-failed', message: 'dnf said no' }],
    },
    [{ ...failed, at: '2026-10-03T02:40:00Z', message: 'dnf said no' }],
  );
  const times = async (words: string) => (await get(`/builds/${id}/x86_64/`)).text.split(words).length - 1;
  expect(await times('dnf said no')).toBe(1);
  builds.write({ ...builds.meta(id), state: 'running' }, [{ ...failed, at: '2026-10-03T02:41:00Z', message: 'gone' }]);
  expect(await times('gone')).toBe(1);
});

test('the first line says whether all is well, else what is wrong since when, with the log beside the cause', async () => {
  const { builds, get } = await site(3);
  const health = async () => {
    const { text } = await get('/');
    return text.slice(text.indexOf('id="health"'), text.indexOf('id="now-title"')).replaceAll(/\s+/g, ' ');
  };
  // The release stream signs with a key that nobody looked at here.
  expect(await health()).toContain('All is well.');
  const [before, last] = [String(builds.ids[1]), String(builds.ids[2])];
  const failed = { event: 'failed', step: 'compose', input: 'x', seconds: 1, code: 'tool-failed' } as const;
  builds.write({ ...builds.meta(before), state: 'failed' });
  builds.write({ ...builds.meta(last), state: 'failed' }, [
    { ...failed, at: '2026-10-03T02:40:00Z', message: 'No package "<nope>".' },
  ]);
  const found = await health();
  expect(found).toContain('1 thing needs attention:');
  expect(found).toMatch(
    new RegExp(
      `nightly: build ${last} is failed, \\d+ d old, the last of 2 in a row since ${before} \\(\\d+ d ago\\): compose: No package &quot;&lt;nope&gt;&quot;`,
    ),
  );
  expect(found).toContain(`<a href="./builds/${last}/log/compose"`);
  expect(found).toContain(`<small>&quot;atomic-nightly log ${last} compose&quot; shows what happened.`);
  expect(found).toMatch(new RegExp(`Last success: nightly <a href="[^"]*">${builds.ids[0]}</a>, \\d+ d ago`));
});

test('of a build what failed comes first, and what is done is folded away', async () => {
  const { builds, get } = await site(2);
  const id = String(builds.ids[1]);
  const at = '2026-10-02T02:40:00Z';
  builds.write({ ...builds.meta(id), state: 'failed' }, [
    { at, event: 'start', step: 'seed', input: 'i' },
    { at, event: 'done', step: 'seed', input: 'i', seconds: 1 },
    { at, event: 'start', step: 'compose', input: 'i' },
    { at, event: 'failed', step: 'compose', input: 'i', seconds: 1, code: 'tool-failed', message: 'no space' },
  ]);
  const { text } = await get(`/builds/${id}/x86_64/`);
  const steps = text.slice(text.indexOf('id="steps"'));
  expect(steps.indexOf('no space')).toBeLessThan(steps.indexOf('<details'));
  expect(steps.indexOf('1 finished step')).toBeLessThan(steps.indexOf('>seed</a>'));
});

test('a build that runs is told from one that was killed, without a touch of the lock', async () => {
  const { builds, get } = await site(2);
  const id = '20261120_01';
  builds.write({ ...builds.meta(String(builds.ids[0])), buildid: id, state: 'running' }, []);
  expect((await get('/')).text).toContain('interrupted');
  builds.hold('nightly');
  const running = await get('/');
  expect(running.text).toContain('running');
  expect(running.text).not.toContain('interrupted');
  // A look that took the lock would let a run that starts meanwhile give up.
  const lock = join(builds.config.work, 'lock');
  const looks = (async () => {
    for (let count = 0; count < 20; count += 1) await get('/');
  })();
  for (let count = 0; count < 20; count += 1) await run('flock', ['--nonblock', lock, 'true']);
  await looks;
  // Its number belongs to a process that began later.
  builds.hold('nightly', new Date(Date.now() - 86_400_000));
  expect((await get('/')).text).toContain('interrupted');
});

test('the page of a candidate says how it stands and what to type next', async () => {
  const { builds, get } = await site(12);
  const candidate = await get(`/builds/${builds.candidate}/x86_64/`);
  expect(candidate.text).toContain(`atomic-nightly approve ${builds.candidate} --by NAME`);
  expect(candidate.text).toContain('Approve it (1 of 2)');
  const release = `atomic-nightly release ${builds.candidate}`;
  expect(candidate.text).not.toContain(release);
  const meta = builds.meta(builds.candidate);
  const approvals = meta.approvals ?? [];
  const all = [...approvals, { by: 'kai', at: '2026-10-06T11:00:00Z' }];
  await writeApprovals(buildPaths(builds.config.work, builds.candidate, 'x86_64').approvals, all);
  expect((await get(`/builds/${builds.candidate}/x86_64/`)).text).toContain(release);
  const night = await get(`/builds/${builds.ids[3]}/x86_64/`);
  expect(night.text).toMatch(new RegExp(`<a href="[^"]*">${builds.released}</a> in release`));
  expect(night.text).toContain(`atomic-nightly promote ${builds.ids[3]} --dry-run`);
  const offer = (await get('/get/')).text;
  expect(offer).toContain('ostree remote add --gpg-import=release.gpg --set=gpg-verify-summary=true');
  expect(offer).toContain('https://mirror.example.org/atomic/repo');
  expect(offer).toContain(`Latest release: <a href="../builds/${builds.released}/x86_64/">`);
});

test('I2: a night that is incomplete is not offered as the latest', async () => {
  const { builds, get } = await site(12);
  const [newest, before] = [String(builds.ids.at(-1)), String(builds.ids.at(-2))];
  expect((await get('/get/')).text).toContain(`/builds/${newest}/`);
  builds.write({ ...builds.meta(newest), state: 'incomplete' });
  const offer = (await get('/get/')).text;
  expect(offer).not.toContain(`/builds/${newest}/`);
  expect(offer).toContain(`/builds/${before}/`);
});

test('I2: the last tested build is offered, with the ref that only tested ones get, and a newer one is marked', async () => {
  const { builds, get } = await site(12, (text) =>
    text
      .replace('    images: [generic-cloud, vagrant-libvirt]\n', '    images: [generic-cloud]\n    smoke-test: {}\n')
      .concat("pages: {name: 'Lab & Co', about: 'A host <to try>.', logo: ./logo.svg}\n"),
  );
  const [newest, before] = [String(builds.ids.at(-1)), String(builds.ids.at(-2))];
  const { smokeTests: _, ...untested } = builds.meta(newest);
  builds.write(untested);
  const { text } = await get('/get/');
  expect(text).toContain(`Latest tested nightly build: <a href="../builds/${before}/x86_64/">`);
  expect(text).toMatch(new RegExp(`A newer build, <a href="[^"]*">${newest}</a> of .*, has not passed its tests`));
  expect(text).toContain('rpm-ostree rebase lab-atomic-host:lab/x86_64/nightly-tested');
  expect(text).toContain('ostree admin switch lab-atomic-host:lab/x86_64/nightly-tested');
  expect(text).toContain('OpenStack, libvirt, QEMU and other clouds');
  expect(text).toContain('<h1>Get Lab &amp; Co</h1>');
  expect(text).toContain('A host &lt;to try&gt;.');
  expect(text).toContain('<img class="logo" src="../assets/logo.svg" alt="">');
  const logo = await get('/assets/logo.svg');
  expect(logo.headers.get('content-type')).toBe('image/svg+xml');
  expect(logo.text).toBe(LOGO.toString());
});

test('a release under way shows as such; a build that was killed does not, whoever has the lock', async () => {
  const { builds, get } = await site(12);
  const killed = '20261120_01';
  const cut = { at: '2026-11-20T02:30:00Z', event: 'start', step: 'resolve', input: 'i' } as const;
  const night = builds.meta(String(builds.ids[0]));
  builds.write({ ...night, buildid: killed, state: 'running' }, [cut]);
  builds.hold('prune');
  expect((await get('/')).text).toContain('Nothing is running');

  builds.hold(`release ${builds.candidate}`);
  const { release } = buildPaths(builds.config.work, builds.candidate, 'x86_64');
  mkdirSync(join(release, 'logs'), { recursive: true });
  const entry = { at: new Date().toISOString(), event: 'start', step: 'push-mirror', input: 'i' };
  writeFileSync(join(release, 'journal.ndjson'), `${JSON.stringify(entry)}\n`);
  writeFileSync(join(release, 'logs/push-mirror.log'), 'sending objects\n');
  const { text } = await get('/');
  const now = text.slice(text.indexOf('id="now"'), text.indexOf('id="streams"'));
  expect(now).toContain(`release ${builds.candidate}`);
  expect(now).toContain('End of the log of push-mirror');
  expect(now).toContain('sending objects');
  expect((await get(`/builds/${builds.candidate}/log/push-mirror`)).text).toContain('sending objects');
});

test('of a long log the page has the end, and the address beside it all of it', async () => {
  const { builds, get } = await site(2);
  const id = String(builds.ids[1]);
  const { logs } = buildPaths(builds.config.work, id, 'x86_64');
  const all = Array.from({ length: 60_000 }, (_, index) => `line ${index}\n`).join('');
  writeFileSync(join(logs, 'compose.log'), all);
  const page = await get(`/builds/${id}/log/compose`);
  expect(page.text.length).toBeLessThan(300_000);
  expect(page.text).toContain('line 59999');
  expect(page.text).not.toContain('line 59\n');
  // Numbered as `grep -n` does it.
  expect(page.text).toContain('id="L60000"><a href="#L60000" tabindex="-1">60000</a>line 59999\n');
  const found = await get(`/builds/${id}/log/compose?q=LINE+4321`);
  expect(found.text).toContain('Lines with “LINE 4321”: 11');
  const href = /<a href="([^"]*)">43216<\/a>/.exec(found.text)?.[1]?.replaceAll('&#x3D;', '=').replaceAll('&amp;', '&');
  expect(href).toBe('?q=LINE%204321&line=43216#L43216');
  const there = await get(`/builds/${id}/log/compose${href}`);
  expect(there.text).toContain('id="L43216"><a href="#L43216" tabindex="-1">43216</a>line 43215\n');
  expect(there.text).not.toContain('line 59999\n');
  expect((await get(`/builds/${id}/log/compose?q=nowhere`)).text).toContain('No line has “nowhere”');
  const raw = await get(`/builds/${id}/log/compose?raw`);
  expect(raw.headers.get('content-type')).toBe('text/plain; charset=utf-8');
  expect(raw.text).toBe(all);
});

const HOSTILE = '\ud800"><script>alert(1)</script>\' onload=x \u202ecod.exe\u0000\u001b[31m]]>&{{7*7}}`=';

test('whatever names, reasons and log lines hold stays text, in pages, drawings and the feed', async () => {
  const { builds, get } = await site(12);
  const id = String(builds.ids[11]);
  const candidate = builds.meta(builds.candidate);
  const promotion = candidate.promotion;
  if (!promotion) throw new Error('the candidate is not a promotion');
  const hostile: Partial<BuildMeta> = {
    name: HOSTILE,
    pkgdiff: [[HOSTILE, 2, { PreviousPackage: [HOSTILE, HOSTILE, HOSTILE], NewPackage: [HOSTILE, HOSTILE, HOSTILE] }]],
    failures: [{ step: HOSTILE, code: HOSTILE, message: HOSTILE }],
    engine: { name: HOSTILE, version: HOSTILE },
  };
  builds.write({ ...builds.meta(id), ...hostile });
  // What becomes a path, a ref, a name or a time makes the record a damaged one, and is shown as that.
  const damaged = String(builds.ids[10]);
  builds.write({
    ...builds.meta(damaged),
    ...hostile,
    ref: HOSTILE,
    ostreeTimestamp: HOSTILE,
    stream: HOSTILE,
    images: { [HOSTILE]: { ...Object.values(builds.meta(id).images ?? {})[0], path: `../../${HOSTILE}` } as never },
    published: [HOSTILE, 'buildlogs'],
    signedBy: [HOSTILE],
    supersededBy: HOSTILE,
  });
  builds.write({
    ...candidate,
    ...hostile,
    promotion: { ...promotion, reason: HOSTILE, upstream: HOSTILE, overrides: [HOSTILE] },
    approvals: [{ by: HOSTILE, at: '2026-10-12T02:30:00Z', note: HOSTILE }],
  });
  const { logs } = buildPaths(builds.config.work, id, 'x86_64');
  writeFileSync(join(logs, 'compose.log'), HOSTILE);
  const pages = ['/', '/get/', '/feed.atom', '/streams/nightly/', `/compare/${id}/${builds.candidate}`];
  for (const path of [
    ...pages,
    `/builds/${id}/x86_64/`,
    `/builds/${builds.candidate}/x86_64/`,
    `/builds/${damaged}/x86_64/`,
    `/builds/${id}/log/compose`,
    `/builds/${id}/log/compose?q=${encodeURIComponent('alert(1)')}`,
    `/search/?package=${encodeURIComponent(HOSTILE.slice(1))}`,
    '/search/?package=*',
  ]) {
    const { status, text } = await get(path);
    expect(status, path).toBe(200);
    expect(text, path).not.toContain('<script>');
    expect(text, path).not.toMatch(/<[^>"]*"[^"]*" onload=/);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: just these must not be there
    expect(text, path).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u202a-\u202e\u2066-\u2069]/);
    expect(text, path).not.toContain('href="javascript:');
  }
  expect((await get(`/builds/${id}/x86_64/`)).text).toContain('&lt;script&gt;alert(1)&lt;/script&gt;');
  const feed = join(temporaryFolder(), 'feed.atom');
  writeFileSync(feed, (await get('/feed.atom')).text);
  await run('xmllint', ['--noout', feed]);
});

test('no address leads out of the builds: everything that is none is answered 404', async () => {
  const { dir, builds, app } = await site(2);
  writeFileSync(join(dir, 'secret.log'), 'secret');
  writeFileSync(join(builds.config.work, 'secret.log'), 'secret');
  const id = String(builds.ids[1]);
  const escapes = [
    '..%2f..%2f..%2f..%2fsecret',
    '%2e%2e%2fsecret',
    '%00',
    'compose%00',
    '%2fetc%2fpasswd',
    '..%5csecret',
  ];
  for (const way of escapes) {
    for (const path of [`/builds/${id}/log/${way}`, `/builds/${way}/log/secret`, `/builds/${way}/x86_64/`]) {
      const response = await app.request(path);
      expect([301, 302, 404], path).toContain(response.status);
      expect(await response.text(), path).not.toContain('secret\n');
    }
    expect((await app.request(`/assets/${way}`)).status, way).toBe(404);
    expect((await app.request(`/builds/${id}/${way}/`)).status, way).toBe(404);
  }
  const part = fc.oneof(
    fc.string({ unit: 'grapheme' }),
    fc.string({ unit: 'binary-ascii' }),
    fc.constantFrom('..', '../..', '/etc', '\0', 'lock.json', '__proto__', 'constructor', '%', id, 'compose'),
  );
  const kind = fc.constantFrom('builds', 'streams', 'compare', 'assets', 'log');
  await fc.assert(
    fc.asyncProperty(fc.array(part, { minLength: 1, maxLength: 3 }), kind, fc.boolean(), async (parts, first, raw) => {
      const encoded = parts.map((one) => (raw ? one.replaceAll(/[?#]/g, '') : encodeURIComponent(one)));
      const url = new URL(`http://x/${first}/${encoded.join('/')}`);
      const response = await app.request(url.href);
      expect([200, 302, 404]).toContain(response.status);
      if (response.status === 200 && url.pathname !== '/') expect(url.pathname).toContain(id);
      // Only ever below the same place.
      if (response.status === 302) expect(response.headers.get('location')).not.toMatch(/^(\/|[a-z]+:)/i);
    }),
    { numRuns: 300 },
  );
});

test('the overview of a thousand builds takes less than 100 ms of work, once it was read', async () => {
  const { get } = await site(1000);
  await get('/');
  // What was written just now is read once more.
  await new Promise((resolve) => setTimeout(resolve, 200));
  await get('/');
  const times: number[] = [];
  for (let count = 0; count < 9; count += 1) {
    const before = process.cpuUsage();
    expect((await get('/')).status).toBe(200);
    const { user, system } = process.cpuUsage(before);
    times.push((user + system) / 1000);
  }
  // Of the processor's time, for others are at work on this machine; the median, for the collector of garbage is, too.
  expect(times.toSorted((a, b) => a - b)[4]).toBeLessThan(100);
});
