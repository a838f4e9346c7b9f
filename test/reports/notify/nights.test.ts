import { existsSync, readFileSync } from 'node:fs';
import { appendFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { freePort } from '../../../src/base/free-port.ts';
import type { BuildEvent } from '../../../src/reports/notify/event.ts';
import { everyCase } from '../../support/every-case.ts';
import { type HttpLog, startHttpLog } from '../../support/http-log.ts';
import { startMailSink } from '../../support/mail-sink.ts';
import { startMosquitto } from '../../support/mosquitto.ts';
import { startSmtpLog } from '../../support/smtp-login.ts';
import { temporaryFolder } from '../../support/tmp.ts';
import { makeWorld, records, startCli, type World } from '../../support/world.ts';

async function worldWith(...sinks: readonly string[]): Promise<World> {
  const world = await makeWorld(temporaryFolder());
  onTestFinished(() => world.stop());
  await writeFile(join(world.dir, 'secret'), `${'s3cret-'.repeat(5)}\n`, { mode: 0o600 });
  await appendFile(world.config, `notify:\n${sinks.map((sink) => `  - ${sink}\n`).join('')}`);
  return world;
}

const webhook = ({ url }: HttpLog, more = '') => `{type: webhook, url: '${url}/hook', secret-file: secret${more}}`;
const matrix = ({ url }: HttpLog) =>
  `{type: matrix, homeserver: '${url}', room: '!room:example.org', access-token-file: secret}`;
const mail = (port: number) =>
  `{type: mail, from: night@example.org, to: [sig@example.org], smtp: {host: 127.0.0.1, port: ${port}, security: none}}`;

/** The steps of a build, by name. */
const stepsOf = (world: World, record: Record<string, unknown> = {}): string[] => {
  const file = join(world.dir, 'work/builds', String(record['buildid']), 'x86_64/steps.json');
  return (JSON.parse(readFileSync(file, 'utf8')) as { step: string }[]).map(({ step }) => step).sort();
};

const eventsOf = ({ requests }: HttpLog): BuildEvent[] =>
  requests.filter(({ path }) => path === '/hook').map(({ body }) => JSON.parse(body) as BuildEvent);
const types = (events: readonly BuildEvent[]) => events.map(({ type }) => type);
const noticesOf = ({ requests }: HttpLog): string[] =>
  requests
    .filter(({ path }) => path.includes('m.room.message'))
    .map(({ body }) => JSON.parse(body).body.split('\n')[0]);

test.runIf(everyCase)(
  'four nights: good, unchanged, failed, good again; each sink is told what it should be',
  async () => {
    const [server, smtp] = [await startHttpLog(), await startMailSink()];
    const broker = await startMosquitto(temporaryFolder());
    const world = await worldWith(
      webhook(server),
      matrix(server),
      mail(smtp.port),
      `{type: mqtt, url: '${broker.url}', topic-prefix: lab}`,
      webhook(server, ', name: elsewhere, streams: [nightly], events: [unchanged]').replace('/hook', '/other'),
    );
    const codes: (number | null)[] = [];
    const night = async () => codes.push((await world.nightly('nightly')).code);
    await night();
    await night();
    await world.distro.writeRepoFile({ baseurl: 'http://127.0.0.1:59999/nowhere' });
    await night();
    await world.distro.writeRepoFile();
    await world.distro.bump('app');
    await night();
    expect(codes).toEqual([0, 10, 1, 0]);

    const events = eventsOf(server);
    expect(types(events)).toEqual([
      ...['started', 'complete'],
      ...['started', 'unchanged'],
      ...['started', 'failed'],
      ...['started', 'complete', 'recovered'],
    ]);
    const [, first, , , , failed, , good] = events;
    const metas = await records(world);
    expect(first).toMatchObject({
      ...{ product: 'mini', stream: 'nightly', state: 'complete', build: metas[0]?.['buildid'], failures: [] },
      commit: metas[0]?.['ostree-commit'],
      url: `${world.url}/builds/${metas[0]?.['buildid']}/x86_64/`,
    });
    expect(failed).toMatchObject({
      state: 'failed',
      failures: [{ step: 'repositories', code: 'repo-unreachable', hint: expect.stringContaining('.repo file') }],
    });
    expect(failed?.url).toBeUndefined();
    const { recipe } = world.distro;
    expect(good?.changes).toEqual({
      summary: '1 upgraded',
      packages: [{ name: 'app', from: '1:2.0-1', to: `1:2.0-${recipe('app').release}` }],
      more: 0,
    });
    expect(new Set(events.map(({ id }) => id)).size).toBe(events.length);

    expect(noticesOf(server)).toEqual([
      `mini nightly ${failed?.build} failed in repositories.`,
      `mini nightly ${good?.build} has recovered, 1 upgraded.`,
    ]);
    const subjects = smtp.lines.filter((line) => line.includes('Subject:'));
    expect(subjects).toEqual([
      expect.stringContaining(`mini nightly ${failed?.build} failed in repositories`),
      expect.stringContaining(`mini nightly ${good?.build} has recovered`),
    ]);
    expect(
      broker.heard.filter((line) => line.includes('lab/nightly/events/')).map((line) => line.split(' ')[1]),
    ).toEqual(events.map(({ type }) => `lab/nightly/events/${type}`));
    expect(JSON.parse((await broker.retained())['lab/nightly/state'] ?? '')).toEqual(events.at(-1));
    expect(server.requests.filter(({ path }) => path === '/other')).toHaveLength(1);
    expect(existsSync(join(world.dir, 'work/builds', String(good?.build), 'x86_64/logs/notify.log'))).toBe(false);
  },
);

test.runIf(everyCase)(
  'sinks that hang, fail or are not there: the night is as without them, and what they missed comes later, once',
  async () => {
    const [hook, room] = [await startHttpLog(), await startHttpLog()];
    const smtp = await startSmtpLog();
    const mqttPort = await freePort();
    const world = await worldWith(
      webhook(hook),
      `${matrix(room).slice(0, -1)}, events: [complete]}`,
      `${mail(smtp.port).slice(0, -1)}, events: [complete]}`,
      `{type: mqtt, url: 'mqtt://127.0.0.1:${mqttPort}'}`,
    );
    const config = readFileSync(world.config, 'utf8');
    await writeFile(world.config, config.slice(0, config.indexOf('notify:')));
    expect((await world.nightly('nightly')).code).toBe(0);
    await writeFile(world.config, config);

    hook.answer = () => 'hang';
    room.answer = () => ({ status: 500, body: 'out of order' });
    smtp.mode = 'hang';
    await world.distro.bump('app');
    const begun = Date.now();
    hook.requests.length = 0;
    const night = await world.nightly('nightly');
    const [before, meta] = await records(world);
    const dir = join(world.dir, 'work/builds', String(meta?.['buildid']), 'x86_64');
    expect(night.code, night.stderr).toBe(0);
    // The run has ended when its pipeline had.
    const journal = readFileSync(join(dir, 'journal.ndjson'), 'utf8').trimEnd().split('\n');
    const ended = JSON.parse(journal.at(-1) ?? '');
    expect(ended).toMatchObject({ event: 'end', state: 'complete' });
    expect(Date.parse(ended.at)).toBeGreaterThan(begun);
    // Telling ended at its limit, with tries left: three for what is told at the start, three for the end.
    expect(night.stderr).toContain('notify: webhook: there was no answer in time (');
    expect(hook.requests.length).toBeLessThanOrEqual(2 * 3);
    const shape = (record: Record<string, unknown> | undefined) => ({
      keys: Object.keys(record ?? {})
        .filter((key) => key !== 'atomic-nightly.parent')
        .sort(),
      steps: stepsOf(world, record),
      state: record?.['atomic-nightly.state'],
      failures: record?.['atomic-nightly.failures'],
    });
    expect(shape(meta)).toEqual(shape(before));
    for (const name of ['webhook', 'matrix', 'mail', 'mqtt']) {
      expect(night.stderr).toMatch(new RegExp(`^notify: ${name}: .*kept for the next run`, 'm'));
      expect(readFileSync(join(dir, 'logs/notify.log'), 'utf8')).toContain(`${name}: `);
    }
    expect(night.stderr).toContain('out of order');

    for (const server of [hook, room]) {
      server.requests.length = 0;
      server.answer = () => ({ status: 200 });
    }
    smtp.mode = 'take';
    const broker = await startMosquitto(temporaryFolder(), { port: mqttPort });
    expect((await world.nightly('nightly')).code).toBe(10);
    expect(types(eventsOf(hook))).toEqual(['started', 'complete', 'started', 'unchanged']);
    expect(eventsOf(hook)[1]).toMatchObject({ build: meta?.['buildid'], commit: meta?.['ostree-commit'] });
    expect(noticesOf(room)).toHaveLength(1);
    expect(smtp.lines.filter((line) => line.startsWith('Message-ID:'))).toHaveLength(1);
    const topics = broker.heard
      .filter((line) => line.includes('/events/'))
      .map((line) => line.split(' ')[1]?.split('/').at(-1));
    expect(topics).toEqual(['started', 'complete', 'started', 'unchanged']);
    for (const name of ['webhook', 'matrix', 'mail', 'mqtt'])
      expect(await readdir(join(world.dir, 'work/notify', name))).toEqual([]);
  },
);

test.runIf(everyCase)('a dry run tells nobody; a night that is stopped says so', async () => {
  const server = await startHttpLog();
  const world = await worldWith(webhook(server));
  expect((await world.nightly('nightly', '--dry-run')).code).toBe(0);
  expect(server.requests).toEqual([]);
  const run = startCli(world.dir, ['nightly']);
  const ended = new Promise((resolve) => run.on('close', resolve));
  let stderr = '';
  await new Promise<void>((resolve) =>
    run.stderr.on('data', (chunk) => {
      stderr += chunk;
      if (stderr.includes('… compose')) resolve();
    }),
  );
  run.kill('SIGTERM');
  expect(await ended).toBe(130);
  expect(types(eventsOf(server))).toEqual(['started', 'interrupted']);
  expect((await world.nightly('resume')).code).toBe(0);
  expect(eventsOf(server).slice(2)).toMatchObject([{ type: 'started', resumed: true }, { type: 'complete' }]);
});

test('JSON log: each line has build, stream and step, also the last one of a night that failed', async () => {
  const world = await makeWorld(temporaryFolder());
  onTestFinished(() => world.stop());
  await world.distro.writeTreefile({ packages: ['filesystem', 'no-such-package'] });
  const { code, stderr } = await world.nightly('--log-format', 'json', 'nightly');
  expect(code).toBe(1);
  const lines = stderr
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  const id = (await records(world))[0]?.['buildid'];
  for (const line of lines) {
    expect(Object.keys(line)).toEqual(expect.arrayContaining(['level', 'time', 'type', 'build', 'stream', 'step']));
    // Before there is a build, its stream is known all the same.
    expect(line).toMatchObject(
      line['type'] === 'note' ? { build: null, stream: 'nightly' } : { build: id, stream: 'nightly' },
    );
  }
  expect(lines.at(-1)).toMatchObject({ level: 50, type: 'error', code: 'package-missing', step: 'resolve' });
});

test('notify test: every sink, or one by name or number; the exit code says whether all took it', async () => {
  const [server, smtp] = [await startHttpLog(), await startMailSink()];
  const world = await worldWith(webhook(server), mail(smtp.port));
  const all = await world.nightly('notify', 'test');
  expect(all).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/^ok {7}webhook: .*\nok {7}mail: mail to sig@example.org/),
  });
  expect(types(eventsOf(server))).toEqual(['test']);
  server.answer = () => ({ status: 403 });
  expect(await world.nightly('notify', 'test', '--sink', '1')).toMatchObject({
    code: 1,
    stdout: expect.stringMatching(/^failed {3}webhook: .*answers 403[\s\S]*what to do: /),
  });
  expect((await world.nightly('notify', 'test', '--sink', 'mail', '--json')).code).toBe(0);
  expect(await world.nightly('notify', 'test', '--sink', 'mial')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('Did you mean "mail"'),
  });
  expect(existsSync(join(world.dir, 'work'))).toBe(false);

  // doctor looks, and sends nothing.
  const asked = server.requests.length;
  const messages = smtp.lines.length;
  const doctor = JSON.parse((await world.nightly('doctor', '--json')).stdout) as {
    checks: { name: string; state: string }[];
  };
  const states = Object.fromEntries(doctor.checks.map(({ name, state }) => [name, state]));
  expect(states).toMatchObject({ 'sink webhook': 'ok', 'sink mail': 'ok', 'secret of sink webhook': 'ok' });
  expect(server.requests.slice(asked).map(({ method }) => method)).toEqual(['HEAD']);
  expect(smtp.lines).toHaveLength(messages);
});
