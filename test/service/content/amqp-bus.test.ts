import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, vi } from 'vitest';
import { tryBus } from '../../../src/content/bus/open-bus.ts';
import { busListener } from '../../support/bus-listener.ts';
import { startMosquitto } from '../../support/mosquitto.ts';
import { issueCertificate, makePrivateCa } from '../../support/proxy-world.ts';
import { HUB, makeQueue, publishTo, startRabbitMq } from '../../support/rabbitmq.ts';
import { temporaryFolder } from '../../support/tmp.ts';

const TAG = 'storage7-gluster-7-release';
const TOPIC = 'org.centos.prod.buildsys.tag';
const PASSWORD = { 'koji-bus-password': HUB.password };
const until = (check: () => void) => vi.waitFor(check, { timeout: 110_000, interval: 20 });

/** Bodies of fedora-messaging and of protonmsg. */
const FEDORA = JSON.stringify({ build_id: 1, name: 'gluster', tag: TAG, tag_id: 2, user: 'ann', owner: 'ann' });
const PROTON = JSON.stringify({
  tag: { id: 2, name: TAG },
  build: { nvr: 'gluster-7-1' },
  user: { name: 'ann' },
  force: false,
});

it.each([
  ['0-9-1', 'topic: org.centos.*.buildsys.*', FEDORA],
  ['1.0', 'protocol: amqp-1.0, topic: /queue/nightly', PROTON],
])(
  'C2: messages over AMQP %s are hints; they are kept while the service, or the broker, is away',
  async (_, how, body) => {
    const dir = temporaryFolder();
    const rabbit = await startRabbitMq(dir);
    await makeQueue(rabbit, 'nightly', 'org.centos.*.buildsys.*');
    const messages = `{broker: '${rabbit.url}', user: ${HUB.user}, client-id: nightly, ${how}}`;
    const { follow, heard, log } = busListener(dir, messages, PASSWORD);
    const first = await follow();
    await until(() => expect(log).toEqual([`content: connected to ${rabbit.url}`]));
    await publishTo(rabbit, TOPIC, [...Array.from({ length: 300 }, () => body), '{"tag": "../../etc/passwd"}']);
    await publishTo(rabbit, 'org.centos.prod.git.push', ['{"tag": "not-for-us"}']);
    await until(() => expect(first.counts()).toEqual({ connected: true, received: 301, dropped: 1 }));
    expect(new Set(heard)).toEqual(new Set([TAG]));
    expect(heard.length).toBeLessThan(30);

    await first.stop();
    heard.length = 0;
    await publishTo(rabbit, TOPIC, [body]);
    const second = await follow();
    await until(() => expect(heard).toEqual([TAG]));
    // What was heard is not heard again.
    expect(second.counts().received).toBe(1);

    log.length = 0;
    await rabbit.stop();
    await until(() => expect(log).toHaveLength(1));
    expect(log[0]).toMatch(/^content: amqp:\/\/127\.0\.0\.1:\d+: .+; it is tried again until it is back$/);
    expect(second.counts().connected).toBe(false);
    await rabbit.start();
    await until(() => expect(log).toHaveLength(2));
    expect(log[1]).toBe(`content: connected to ${rabbit.url}`);
    heard.length = 0;
    await publishTo(rabbit, TOPIC, [body]);
    await until(() => expect(heard).toEqual([TAG]));
  },
);

it('I11: what a broker refuses is said in its words, once: a wrong password, an exchange or an address that is not there', async () => {
  const dir = temporaryFolder();
  const rabbit = await startRabbitMq(dir);
  for (const [more, password, words] of [
    ['topic: a.b', 'wrong', /ACCESS.REFUSED|authentication/i],
    ['topic: a.b, exchange: none.such', HUB.password, /no exchange 'none\.such'/],
    ['topic: /queue/x, protocol: amqp-1.0', 'wrong', /authenticat/i],
    ['topic: /none/such, protocol: amqp-1.0', HUB.password, /none\/such|address/i],
  ] as const) {
    const messages = `{broker: '${rabbit.url}', user: ${HUB.user}, ${more}}`;
    const { follow, log } = busListener(dir, messages, { 'koji-bus-password': password });
    const bus = await follow();
    await until(() => expect(log.length, more).toBeGreaterThan(0));
    expect(log.join('\n'), more).toMatch(words);
    await bus.stop();
    expect(log, more).toHaveLength(1);
  }
});

it.each(['topic: a.b', 'topic: /topic/a.b, protocol: amqp-1.0'])(
  'a client certificate is the login, and the broker must show one that is trusted: %s',
  async (how) => {
    const dir = temporaryFolder();
    const ca = await makePrivateCa(join(dir, 'ca'));
    const client = await issueCertificate(ca, join(dir, 'client'), 'extendedKeyUsage=clientAuth');
    const rabbit = await startRabbitMq(dir, ca);
    const files = {
      'koji-bus-cert': await readFile(client.cert, 'utf8'),
      'koji-bus-key': await readFile(client.key, 'utf8'),
    };
    const messages = `{broker: '${rabbit.url}', ${how}}`;
    const stranger = busListener(dir, messages, files);
    const refused = await stranger.follow();
    await until(() => expect(stranger.log).toHaveLength(1));
    expect(stranger.log[0]).toMatch(/the server's certificate is not trusted/);
    await refused.stop();
    const known = busListener(dir, messages, { ...files, 'koji-bus-ca': await readFile(ca.ca, 'utf8') });
    await known.follow();
    await until(() => expect(known.log).toEqual([`content: connected to ${rabbit.url}`]));
  },
);

it('doctor tries a bus beside whoever follows it, takes no message and leaves nothing', async () => {
  const dir = temporaryFolder();
  const [rabbit, mosquitto] = [await startRabbitMq(dir), await startMosquitto(dir, { password: HUB.password })];
  await makeQueue(rabbit, 'nightly', 'org.centos.*.buildsys.*');
  const passwordFile = join(dir, 'password');
  await writeFile(passwordFile, HUB.password, { mode: 0o600 });
  const signal = AbortSignal.timeout(110_000);
  const amqp = { broker: rabbit.url, user: HUB.user, passwordFile };
  const others = [
    { ...amqp, topic: 'org.centos.#' },
    { ...amqp, topic: '/queue/nightly', protocol: 'amqp-1.0' as const },
    { broker: mosquitto.url, user: 'nightly', passwordFile },
  ];
  const { follow, heard } = busListener(
    dir,
    `{broker: '${rabbit.url}', user: ${HUB.user}, client-id: nightly, protocol: amqp-1.0, topic: /queue/nightly}`,
    PASSWORD,
  );
  const bus = await follow();
  await until(() => expect(bus.counts().connected).toBe(true));
  for (const one of others) await tryBus(one, signal);
  await publishTo(rabbit, TOPIC, [PROTON]);
  await until(() => expect(heard).toEqual([TAG]));
  await writeFile(passwordFile, 'wrong', { mode: 0o600 });
  for (const one of others) {
    const hint = expect.stringContaining('content.messages');
    await expect(tryBus(one, signal), one.broker).rejects.toMatchObject({ code: 'koji', hint });
  }
  await expect(tryBus({ broker: 'amqp://127.0.0.1:1', topic: 'x' }, signal)).rejects.toThrow(
    /cannot be followed: .*ECONNREFUSED/,
  );
});
