import { createHmac } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { freePort } from '../../../src/base/free-port.ts';
import type { MqttSinkConfig, NotifyConfig } from '../../../src/config/config.ts';
import { BUILD_EVENT_TYPES } from '../../../src/config/notify.ts';
import { openCourier } from '../../../src/reports/notify/deliver-event.ts';
import type { BuildEvent } from '../../../src/reports/notify/event.ts';
import { openSink } from '../../../src/reports/notify/open-sinks.ts';
import { openOutbox } from '../../../src/reports/notify/outbox.ts';
import { Refused } from '../../../src/reports/notify/sink.ts';
import { someEvent } from '../../support/events.ts';
import { type LoggedRequest, startHttpLog } from '../../support/http-log.ts';
import { startMailSink } from '../../support/mail-sink.ts';
import { startMosquitto } from '../../support/mosquitto.ts';
import { startSmtpLog } from '../../support/smtp-login.ts';
import { temporaryFolder } from '../../support/tmp.ts';
import { until } from '../../support/until.ts';

const EVENT = someEvent();
const never = () => new AbortController().signal;
const all = { events: BUILD_EVENT_TYPES };

function file(dir: string, name: string, text: string): string {
  const path = join(dir, name);
  writeFileSync(path, `${text}\n`, { mode: 0o600 });
  return path;
}

const mqtt = (url: string, more: Partial<MqttSinkConfig> = {}): MqttSinkConfig => ({
  ...{ type: 'mqtt', name: 'mqtt', url, topicPrefix: 'atomic/mini', ...all, ...more },
});

test('MQTT: the event, and the state of the stream retained for whoever comes later', async () => {
  const dir = temporaryFolder();
  const broker = await startMosquitto(dir);
  const sink = await openSink(mqtt(broker.url));
  await sink.check(never());
  await sink.send(EVENT, never());
  await until(() => broker.heard.length === 2);
  expect(broker.heard.map((line) => line.split(' ').slice(0, 2))).toEqual([
    ['0', 'atomic/mini/nightly/events/failed'],
    ['0', 'atomic/mini/nightly/state'],
  ]);
  await sink.send(someEvent({ type: 'test' }), never());
  await sink.send(someEvent({ type: 'key-expiring', key: 'F', expires: '2026-12-01', days: 7 }), never());
  const kept = await broker.retained();
  expect(Object.keys(kept)).toEqual(['atomic/mini/nightly/state']);
  expect(JSON.parse(kept['atomic/mini/nightly/state'] ?? '')).toEqual(EVENT);
});

test('many events to one sink leave nothing behind that Node warns of', async () => {
  const dir = temporaryFolder();
  const [broker, server] = [await startMosquitto(dir), await startSmtpLog()];
  const warnings: string[] = [];
  const warn = (warning: Error) => warnings.push(warning.message);
  process.on('warning', warn);
  onTestFinished(() => void process.off('warning', warn));
  const smtp = { host: '127.0.0.1', port: server.port, security: 'none' } as const;
  const couriers = [
    openCourier(dir, mqtt(broker.url)),
    openCourier(dir, { type: 'mail', name: 'mail', from: 'a@example.org', to: ['b@example.org'], smtp, ...all }),
  ];
  for (const courier of couriers) {
    for (let count = 0; count < 15; count += 1)
      await courier.take(someEvent({ type: 'failed' }, { id: `e${count}`, at: new Date().toISOString() }));
    expect(await courier.deliver(never())).toBeUndefined();
  }
  await until(() => broker.heard.filter((line) => line.includes('/events/')).length === 15);
  expect(server.lines.filter((line) => line.startsWith('RCPT'))).toHaveLength(15);
  expect(warnings).toEqual([]);
});

test('MQTT: with a password, and what is said when it is wrong or nobody is there', async () => {
  const dir = temporaryFolder();
  const broker = await startMosquitto(dir, { password: 'mq-pa55word' });
  const login = { username: 'nightly', passwordFile: file(dir, 'password', 'mq-pa55word') };
  await (await openSink(mqtt(broker.url, login))).send(EVENT, never());
  await until(() => broker.heard.length === 2);
  const wrong = await openSink(mqtt(broker.url, { ...login, passwordFile: file(dir, 'wrong', 'mq-guess') }));
  await expect(wrong.check(never())).rejects.toMatchObject({
    code: 'notify',
    message: expect.stringMatching(/Not authorized/i),
  });
  const nobody = await openSink(mqtt(`mqtt://127.0.0.1:${await freePort()}`));
  await expect(nobody.check(never())).rejects.toMatchObject({ message: expect.stringContaining('ECONNREFUSED') });
  const noFile = await openSink(mqtt(broker.url, { ...login, passwordFile: join(dir, 'none') }));
  await expect(noFile.check(never())).rejects.toMatchObject({ message: expect.stringContaining('ENOENT') });
});

test('a check that fails says what it did: no message was sent', async () => {
  const dir = temporaryFolder();
  const port = await freePort();
  const tokenFile = file(dir, 'token', 'abc');
  const smtp = { host: '127.0.0.1', port, security: 'none' } as const;
  const url = `http://127.0.0.1:${port}`;
  const sinks: Readonly<Record<string, NotifyConfig>> = {
    'The MQTT broker mqtt://127.0.0.1:PORT did not accept a connection: ': mqtt(`mqtt://127.0.0.1:${port}`),
    'The mail server 127.0.0.1:PORT did not accept a connection: ': {
      ...{ type: 'mail' as const, name: 'mail', from: 'a@example.org', to: ['b@example.org'], smtp, ...all },
    },
    'A HEAD request to http://127.0.0.1:PORT failed: ': {
      ...{ type: 'webhook' as const, name: 'hook', url: `${url}/secret`, secretFile: tokenFile, ...all },
    },
    'http://127.0.0.1:PORT did not list the rooms of the account: ': {
      ...{
        type: 'matrix' as const,
        name: 'room',
        homeserver: url,
        room: '!r:example.org',
        accessTokenFile: tokenFile,
        ...all,
      },
    },
  };
  for (const [text, config] of Object.entries(sinks)) {
    const sink = await openSink(config);
    const checked = sink.check(never());
    await expect(checked, config.type).rejects.toThrow(text.replace('PORT', String(port)));
    await expect(checked, config.type).rejects.not.toThrow('did not take the message');
    await expect(sink.send(EVENT, never()), config.type).rejects.toThrow(' did not take the message: ');
  }
});

test('MQTT over TLS: only a certificate that is trusted', async () => {
  const dir = temporaryFolder();
  const broker = await startMosquitto(dir, { tls: true });
  await (await openSink(mqtt(broker.url, { caFile: broker.caFile }))).send(EVENT, never());
  await until(() => broker.heard.length === 2);
  const stranger = await openSink(mqtt(broker.url));
  await expect(stranger.check(never())).rejects.toMatchObject({
    code: 'notify',
    message: expect.stringMatching(/self-signed certificate/),
  });
  // What the system trusts, or the environment names in its place, is trusted here as everywhere.
  const before = process.env['CURL_CA_BUNDLE'];
  process.env['CURL_CA_BUNDLE'] = broker.caFile;
  try {
    await stranger.check(never());
  } finally {
    if (before === undefined) delete process.env['CURL_CA_BUNDLE'];
    else process.env['CURL_CA_BUNDLE'] = before;
  }
});

/** As the specification of Standard Webhooks says it is verified, written from that alone. */
function verified({ headers, body }: LoggedRequest, key: Buffer): boolean {
  const content = `${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`;
  const expected = `v1,${createHmac('sha256', key).update(content, 'utf8').digest('base64')}`;
  const age = Math.abs(Date.now() / 1000 - Number(headers['webhook-timestamp']));
  return headers['webhook-signature'] === expected && age < 300;
}

test('webhook: the event as JSON with a signature over id, time and body', async () => {
  const dir = temporaryFolder();
  const server = await startHttpLog();
  const key = Buffer.from('0123456789abcdef0123456789abcdef');
  for (const secret of [`whsec_${key.toString('base64')}`, key.toString()]) {
    const secretFile = file(dir, 'secret', secret);
    const sink = await openSink({
      type: 'webhook',
      name: 'webhook',
      url: `${server.url}/hook?x=1`,
      secretFile,
      ...all,
    });
    await sink.send(EVENT, never());
    const request = server.requests.at(-1);
    expect(request).toMatchObject({ method: 'POST', path: '/hook?x=1' });
    expect(request && verified(request, key)).toBe(true);
    expect(request && verified({ ...request, body: `${request.body} ` }, key)).toBe(false);
    expect(JSON.parse(request?.body ?? '')).toEqual(EVENT);
    expect(request?.headers['webhook-id']).toBe(EVENT.id);
  }
});

test('webhook: passing faults are tried again, others not, and a redirection is not followed', async () => {
  const dir = temporaryFolder();
  const server = await startHttpLog();
  const sink = await openSink({
    ...{
      type: 'webhook',
      name: 'webhook',
      url: `${server.url}/hidden-path`,
      secretFile: file(dir, 'secret', 'x'.repeat(32)),
      ...all,
    },
  });
  const statuses = [503, 429, 200];
  server.answer = () => ({ status: statuses[server.requests.length - 1] ?? 200 });
  await sink.send(EVENT, never());
  expect(server.requests).toHaveLength(3);
  for (const status of [401, 302]) {
    server.requests.length = 0;
    server.answer = () => ({ status, body: 'go away' });
    const error = await sink.send(EVENT, never()).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: 'notify', message: expect.stringContaining(`answers ${status}`) });
    // The path of a webhook is as good as a password.
    expect(String(error)).not.toContain('hidden-path');
    expect(server.requests).toHaveLength(1);
  }
});

test('Matrix: a notice with text and HTML; the same event again is the same transaction', async () => {
  const dir = temporaryFolder();
  const server = await startHttpLog();
  const room = '!room/1:example.org';
  server.answer = ({ path, headers }) => {
    if (headers.authorization !== 'Bearer syt_token') return { status: 401, body: '{"errcode":"M_UNKNOWN_TOKEN"}' };
    return { status: 200, body: path.endsWith('/joined_rooms') ? JSON.stringify({ joined_rooms: [room] }) : '{}' };
  };
  const config = { type: 'matrix', name: 'matrix', homeserver: server.url, room, ...all } as const;
  const sink = await openSink({ ...config, accessTokenFile: file(dir, 'token', 'syt_token') });
  await sink.check(never());
  await sink.send(EVENT, never());
  await sink.send(EVENT, never());
  const [, first, second] = server.requests;
  expect(first).toMatchObject({
    method: 'PUT',
    path: `/_matrix/client/v3/rooms/!room%2F1%3Aexample.org/send/m.room.message/${EVENT.id}`,
  });
  expect(second).toMatchObject({ path: first?.path, body: first?.body });
  expect(JSON.parse(first?.body ?? '')).toMatchObject({
    msgtype: 'm.notice',
    body: expect.stringContaining('mini nightly 20261121_01 failed in resolve.'),
    format: 'org.matrix.custom.html',
    formatted_body: expect.stringContaining('<strong>mini nightly 20261121_01 failed in resolve</strong>'),
  });
  const elsewhere = await openSink({ ...config, room: '!other:example.org', accessTokenFile: join(dir, 'token') });
  await expect(elsewhere.check(never())).rejects.toMatchObject({ message: expect.stringContaining('not in the room') });
  const stranger = await openSink({ ...config, accessTokenFile: file(dir, 'wrong', 'nonsense') });
  await expect(stranger.check(never())).rejects.toMatchObject({ message: expect.stringContaining('answers 401') });
});

test('mail: to a real server; headers are ours whatever a name holds, and it is the same message again', async () => {
  const server = await startMailSink();
  const smtp = { host: '127.0.0.1', port: server.port, security: 'none' } as const;
  const to = ['devel@example.org', 'sig@example.org'];
  const sink = await openSink({ type: 'mail', name: 'mail', from: 'nightly@example.org', to, smtp, ...all });
  await sink.check(never());
  expect(server.lines).toEqual([]);
  const evil = 'resolve\r\nBcc: everybody@example.org\r\n\r\n<b>';
  const event: BuildEvent = someEvent({ type: 'failed' }, { failures: [{ step: evil, code: 'bug', message: evil }] });
  await sink.send(event, never());
  await until(() => server.lines.some((line) => line.includes('END MESSAGE')));
  const message = server.lines.map((line) => line.replace(/^b'(.*)'$/, '$1'));
  const headers = message.slice(0, message.indexOf(''));
  expect(headers).toContain('To: devel@example.org, sig@example.org');
  expect(headers).toContain(`Message-ID: <${event.id}@example.org>`);
  expect(headers).toContain('Auto-Submitted: auto-generated');
  expect(headers.filter((line) => /^(bcc|cc|to|from|subject):/i.test(line))).toHaveLength(3);
  expect(headers.join(' ').replace(/ +/g, ' ')).toMatch(
    /Subject: mini nightly 20261121_01 failed in resolve Bcc: everybody@example.org <b>/,
  );
});

test('mail: with a login, and what is said when the password is wrong or the server says nothing', async () => {
  const dir = temporaryFolder();
  const server = await startSmtpLog({ login: { user: 'nightly', password: 'smtp-pa55' } });
  const smtp = { host: '127.0.0.1', port: server.port, security: 'none', user: 'nightly' } as const;
  const config = { type: 'mail', name: 'mail', from: 'n@example.org', to: ['a@example.org'], ...all } as const;
  const sink = await openSink({ ...config, smtp: { ...smtp, passwordFile: file(dir, 'right', 'smtp-pa55') } });
  await sink.check(never());
  expect(server.lines.some((line) => /^(MAIL|DATA)/.test(line))).toBe(false);
  await sink.send(EVENT, never());
  expect(server.lines).toContain('RCPT TO:<a@example.org>');
  const wrong = await openSink({ ...config, smtp: { ...smtp, passwordFile: file(dir, 'wrong', 'guess1') } });
  await expect(wrong.check(never())).rejects.toMatchObject({ message: expect.stringContaining('wrong password') });
  server.mode = 'refuse';
  await expect(sink.send(EVENT, never())).rejects.toMatchObject({
    message: expect.stringContaining('not such a message'),
    cause: expect.any(Refused),
  });
  server.mode = 'hang';
  // Ours, not the server's silence that is waited for by default.
  await expect(sink.send(EVENT, AbortSignal.timeout(300))).rejects.toMatchObject({
    code: 'notify',
    message: expect.stringContaining('aborted due to timeout'),
  });
});

test('what cannot be sent is kept in order; what is refused for good is dropped and does not hold up the rest', async () => {
  const work = temporaryFolder();
  const server = await startHttpLog();
  const secretFile = file(work, 'secret', 'y'.repeat(32));
  const courier = openCourier(work, { type: 'webhook', name: 'hook', url: server.url, secretFile, ...all });
  const events = [1, 2, 3].map((count) => someEvent({ type: 'failed' }, { id: `event-${count}` }));
  server.answer = () => ({ status: 401 });
  for (const event of events) {
    await courier.take({ ...event, at: new Date().toISOString() });
    expect(await courier.deliver(never())).toMatch(/^hook: http:.* answers 401.*\(\d kept for the next run\)$/);
  }
  server.requests.length = 0;
  server.answer = ({ headers }) => ({ status: headers['webhook-id'] === 'event-2' ? 413 : 204 });
  const later = openCourier(work, { type: 'webhook', name: 'hook', url: server.url, secretFile, ...all });
  expect(await later.deliver(never())).toMatch(/^hook: failed of 20261121_01, which is dropped: .* answers 413/);
  expect(server.requests.map(({ headers }) => headers['webhook-id'])).toEqual(['event-1', 'event-2', 'event-3']);
  expect(await later.deliver(never())).toBeUndefined();
  expect(server.requests).toHaveLength(3);
});

test('an outbox keeps the newest hundred, and nothing that is older than a week', async () => {
  const outbox = openOutbox(temporaryFolder(), 'mail');
  const now = Date.now();
  await outbox.add(someEvent({ type: 'failed' }, { id: 'old', at: new Date(now - 8 * 86_400_000).toISOString() }));
  for (let count = 0; count < 105; count += 1) {
    await outbox.add(someEvent({ type: 'failed' }, { id: `e${count}`, at: new Date(now + count).toISOString() }));
  }
  const ids = (await outbox.waiting()).map(({ event }) => event.id);
  expect(ids).toHaveLength(100);
  expect([ids[0], ids.at(-1)]).toEqual(['e5', 'e104']);
});
