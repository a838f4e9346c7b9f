import { mkdirSync } from 'node:fs';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { buildLab, updateLab } from '../../src/lab/build-lab.ts';
import { run } from '../../src/programs/exec.ts';
import { axeViolations, LOOKS, openBrowser, openPage } from '../support/browser.ts';
import { startMailSink } from '../support/mail-sink.ts';
import { startMosquitto, type TestBroker } from '../support/mosquitto.ts';
import { serveFolder } from '../support/nginx.ts';
import { makeFileKey } from '../support/openpgp-key.ts';
import { startPrometheus, type TestPrometheus } from '../support/prometheus.ts';
import { configureService, endService, startServe } from '../support/service.ts';
import { temporaryFolder, testTask } from '../support/tmp.ts';
import { records } from '../support/world.ts';

const SHOTS = new URL('../../test-results/service', import.meta.url).pathname;
const RULES = new URL('../../docs/alerts.example.yml', import.meta.url).pathname;
const DAY = 86_400;

let browser: Browser;
beforeAll(async () => {
  mkdirSync(SHOTS, { recursive: true });
  browser = await openBrowser();
});
afterAll(() => browser.close());

/** The example's rules as they are, but that a failed night and a service that is gone are told of after a second or two. */
async function impatientRules(): Promise<string> {
  const rules = parse(await readFile(RULES, 'utf8')) as { groups: { rules: { alert: string; for?: string }[] }[] };
  const all = rules.groups.flatMap((group) => group.rules);
  for (const name of ['AtomicNightlyFailed', 'AtomicNightlyDown']) {
    const rule = all.find(({ alert }) => alert === name);
    expect(rule?.for, name).toMatch(/^\d+[mh]$/);
    if (rule) rule.for = '2s';
  }
  return stringify(rules);
}

/** What fires, a line each: name, then what says of which stream, state or key. */
async function firing(prometheus: TestPrometheus): Promise<string[]> {
  const alerts = (await prometheus.alerts()).filter(({ state }) => state === 'firing');
  return alerts
    .map(({ labels: { alertname, stream, state, key } }) => [alertname, stream, state, key].filter(Boolean).join(' '))
    .sort();
}

/** Waits until exactly these fire, and keeps what Prometheus then says of them. */
async function untilFiring(prometheus: TestPrometheus, when: string, alerts: readonly string[]): Promise<void> {
  await expect.poll(() => firing(prometheus), { timeout: 120_000, interval: 200 }).toEqual(alerts);
  await writeFile(join(SHOTS, `alerts-${when}.json`), JSON.stringify(await prometheus.alerts(), null, 2));
}

/** The mails as they were sent, of which Python prints each line as `b'…'`. */
const mailsIn = (lines: readonly string[]): string =>
  lines.map((line) => line.replace(/^b(['"])(.*)\1$/, '$2')).join('\n');

/** Long headers are folded: they go on in lines that begin with a space. */
const subjectsIn = (mails: string): string[] =>
  [...mails.replaceAll('\n ', ' ').matchAll(/^Subject: (.*)$/gm)].map(([, subject = '']) => subject);

const eventsIn = ({ heard }: TestBroker): string[] =>
  heard.flatMap((line) => /^0 lab\/nightly\/events\/(\S+)/.exec(line)?.[1] ?? []);

/** Looks at pages of the live service: their headers, axe, console, content security policy, and width. Keeps a picture of each. */
async function faultsOf(look: keyof typeof LOOKS, url: string, pages: readonly (readonly [string, string])[]) {
  const { page, complaints } = await openPage(browser, look);
  const found: string[] = [];
  for (const [name, path] of pages) {
    const response = await page.goto(url + path);
    expect(response?.status(), path).toBe(200);
    expect(response?.headers()['content-security-policy'], path).toContain("default-src 'none'");
    found.push(...(await axeViolations(page)).map((fault) => `${name}: ${fault}`));
    const overflow = await page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth');
    if (overflow !== 0) found.push(`${name}: ${overflow} px too wide`);
    await page.screenshot({ path: join(SHOTS, `${name}-${look}.png`), fullPage: true });
  }
  return [...found, ...complaints];
}

test('nights by the schedule: complete, unchanged, failed, well again; pages, alerts, mail and MQTT tell of them', async () => {
  const dir = temporaryFolder();
  const [smtp, broker] = [await startMailSink(), await startMosquitto(dir)];
  // Half an hour more than thirty days, so that it has thirty left all the while.
  const key = await makeFileKey(dir, { seconds: 30 * DAY + 1800 });
  const world = { dir: join(dir, 'world'), config: join(dir, 'world/atomic-nightly.yaml') };
  const published = join(world.dir, 'published');
  await mkdir(published, { recursive: true });
  const site = await serveFolder({ root: published });
  onTestFinished(() => site.stop());
  const lab = await buildLab({ dir: join(world.dir, 'lab'), publicUrl: site.url }, testTask(dir));
  await writeFile(
    world.config,
    `name: lab
work: ./work
targets:
  out: {type: directory, path: ${published}, url: '${site.url}'}
streams:
  nightly:
    treefile: ${lab.treefile}
    seed: {allow-new: true}
    targets: [out]
    images: [generic-cloud]
    schedule: {cron: '*/20 * * * * *'}
    signing: {type: openpgp, key-file: ${key.keyFile}, passphrase-file: ${key.passphrase.file}}
notify:
  - {type: mail, from: night@example.org, to: [sig@example.org], smtp: {host: 127.0.0.1, port: ${smtp.port}, security: none}}
  - {type: mqtt, url: '${broker.url}', topic-prefix: lab}
`,
  );
  await configureService(world, [
    'retry: {times: 0}',
    'drain: 10m',
    'trigger: {debounce: 1s}',
    `mqtt: {broker: '${broker.url}'}`,
  ]);
  const service = await startServe(world);
  onTestFinished(() => endService(service, world));
  const target = new URL(service.url).host;
  const prometheus = await startPrometheus(dir, { job: 'atomic-nightly', target, rules: await impatientRules() });

  // The first night, seen by somebody who had the overview open before it began.
  const { page, complaints } = await openPage(browser);
  await page.goto(service.url);
  const now = page.locator('#now');
  await now.locator('.steps li:last-child', { hasText: 'image-generic-cloud' }).waitFor({ timeout: 400_000 });
  const first = (await now.locator('#now-build').textContent()) ?? '';
  expect(await axeViolations(page)).toEqual([]);
  await page.screenshot({ path: join(SHOTS, 'overview-running.png'), fullPage: true });
  const phone = await openPage(browser, 'phone');
  await phone.page.goto(service.url);
  await phone.page.screenshot({ path: join(SHOTS, 'overview-running-phone.png'), fullPage: true });
  await page.locator('#builds tr', { hasText: first }).getByText('complete').waitFor({ timeout: 400_000 });
  await service.until(`build ${first} complete\n`);
  const expiring = `AtomicNightlyKeyExpires ${key.fingerprint}`;
  await untilFiring(prometheus, 'first', [expiring]);

  // Nothing has changed by the second, nor by one that a message asks for.
  await service.until(/build \d+_02 unchanged\n/);
  const at = ['-h', '127.0.0.1', '-p', new URL(broker.url).port];
  await run('mosquitto_pub', [...at, '-q', '1', '-t', 'atomic-nightly/trigger/nightly', '-m', 'x']);
  await service.until(/asked for by a message over MQTT(.*\n)*.*build \d+_\d+ unchanged\n/);

  // The repository is gone, and with new packages comes back.
  const repodata = join(lab.dir, 'lab-base/repodata');
  await rename(repodata, `${repodata}.away`);
  await service.until(/build \d+_\d+ failed/);
  await untilFiring(prometheus, 'failed', ['AtomicNightlyFailed nightly failed', expiring]);
  const failed = /build (\d+_\d+) failed/.exec(service.said())?.[1] ?? '';
  await page.locator('#builds tr', { hasText: failed }).getByText('failed').first().waitFor();
  await rename(`${repodata}.away`, repodata);
  await updateLab({ dir: lab.dir, packages: ['curl', 'tree'] }, testTask(dir));
  await service.until(/failed(.*\n)*.*build \d+_\d+ complete\n/, 400);
  const good = /failed(?:.*\n)*.*build (\d+_\d+) complete\n/.exec(service.said())?.[1] ?? '';
  await untilFiring(prometheus, 'recovered', [expiring]);
  await page.locator('#builds tr', { hasText: good }).getByText('complete').waitFor();
  expect([...complaints, ...phone.complaints]).toEqual([]);

  const pages = [
    ['overview', '/'],
    ['stream', '/streams/nightly/'],
    ['failed-build', `/builds/${failed}/x86_64/`],
    ['build', `/builds/${good}/x86_64/`],
    ['log', `/builds/${good}/log/compose`],
    ['compare', `/compare/${first}/${good}`],
    ['get', '/get/'],
  ] as const;
  for (const look of Object.keys(LOOKS) as (keyof typeof LOOKS)[]) {
    expect(await faultsOf(look, service.url, pages), look).toEqual([]);
  }

  expect(await service.end('SIGTERM')).toBe(0);
  // Whoever does not answer says nothing of keys either.
  await untilFiring(prometheus, 'down', ['AtomicNightlyDown']);
  // What was told, to be read by people.
  await writeFile(join(SHOTS, 'mail.txt'), mailsIn(smtp.lines));
  await writeFile(join(SHOTS, 'mqtt.txt'), broker.heard.join('\n'));
  const builds = await records(world);
  const states = builds.map((build) => build['atomic-nightly.state'] ?? '');
  expect(states.slice(0, 3)).toEqual(['complete', 'unchanged', 'unchanged']);
  const [failures, told] = [states.filter((state) => state === 'failed').length, eventsIn(broker)];
  const expected = states.flatMap((state, index) => [
    ...['started', state],
    ...(state === 'complete' && states[index - 1] === 'failed' ? ['recovered'] : []),
  ]);
  expect(told.filter((type) => type !== 'key-expiring')).toEqual(expected);
  expect(told.filter((type) => type === 'key-expiring')).toHaveLength(1);
  expect(broker.heard.find((line) => line.includes('/events/failed'))).toContain('/lab-base/repodata/repomd.xml');
  expect(subjectsIn(mailsIn(smtp.lines))).toEqual([
    `lab nightly: signing key ${key.fingerprint} expires in 30 days`,
    ...Array(failures).fill(expect.stringMatching(/^lab nightly \d+_\d+ failed in repositories/)),
    `lab nightly ${good} has recovered, 2 upgraded (security: 2 important)`,
  ]);
});
