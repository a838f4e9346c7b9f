import { readFile } from 'node:fs/promises';
import { createConnection, type Socket } from 'node:net';
import { join } from 'node:path';
import fc from 'fast-check';
import { connectAsync, type IClientOptions, type MqttClient } from 'mqtt';
import { expect, onTestFinished, test } from 'vitest';
import { freePort } from '../../src/base/free-port.ts';
import { run } from '../../src/programs/exec.ts';
import { startBroker } from '../../src/service/events/broker.ts';
import { followPackets } from '../../src/service/events/mqtt-frames.ts';
import { coversFilter, matchesTopic } from '../../src/service/events/topic.ts';
import { temporaryFolder } from '../support/tmp.ts';

/** A broker with the users `mirror` and `reader`, until the test ends. */
async function broker(more: { readonly subscribe?: Record<string, string[]> } = {}) {
  const passwordFile = join(temporaryFolder(), 'users');
  await run('mosquitto_passwd', ['-b', '-c', passwordFile, 'mirror', 'one']);
  await run('mosquitto_passwd', ['-b', passwordFile, 'reader', 'two']);
  const port = await freePort();
  const [heard, said]: [string[], string[]] = [[], []];
  const running = await startBroker(
    {
      ...{ type: 'embedded', listen: { host: '127.0.0.1', port }, passwordFile, topic: 't' },
      publish: { mirror: ['t/+', '$SYS/#'] },
      ...more,
    },
    {
      readUsers: () => readFile(passwordFile, 'utf8'),
      onMessage: (topic) => heard.push(topic),
      log: (sentence) => said.push(sentence),
    },
  );
  onTestFinished(() => running.stop());
  return { port, heard, said };
}

async function client(port: number, user: 'mirror' | 'reader', more: IClientOptions = {}): Promise<MqttClient> {
  const password = user === 'mirror' ? 'one' : 'two';
  const made = await connectAsync(`mqtt://127.0.0.1:${port}`, {
    ...{ username: user, password, reconnectPeriod: 0, connectTimeout: 20_000 },
    ...more,
  });
  onTestFinished(() => made.endAsync(true));
  return made;
}

interface Raw {
  readonly socket: Socket;
  /** The return code of CONNACK. */
  code: number | undefined;
  ended: boolean;
}

function raw(port: number, bytes: Uint8Array = Buffer.alloc(0), from = '127.0.0.1'): Raw {
  const socket = createConnection({ port, host: '127.0.0.1', localAddress: from });
  const one: Raw = { socket, code: undefined, ended: false };
  socket.on('connect', () => bytes.length > 0 && socket.write(bytes));
  socket.on('data', (chunk) => (one.code ??= chunk[0] === 0x20 ? chunk[3] : undefined));
  socket.on('error', () => undefined).on('close', () => (one.ended = true));
  onTestFinished(() => void socket.destroy());
  return one;
}

/** CONNECT of MQTT 3.1.1 with a user name and a password. */
function connectPacket(id: string, user: string, password: string): Buffer {
  const text = (value: string) => Buffer.concat([Buffer.from([0, value.length]), Buffer.from(value)]);
  const rest = Buffer.concat([text('MQTT'), Buffer.from([4, 0xc2, 0, 60]), text(id), text(user), text(password)]);
  return Buffer.concat([Buffer.from([0x10, rest.length]), rest]);
}

test('guesses of one address are few, whatever they are at; others, and who was let in there before, are not locked out', async () => {
  const { port, said } = await broker();
  await (await client(port, 'mirror')).endAsync();
  const guesses: Raw[] = [];
  for (let round = 0; round < 40; round += 1) {
    const some = Array.from({ length: 8 }, (_, index) =>
      raw(port, connectPacket(`g${round}-${index}`, index % 2 === 0 ? 'reader' : `nobody${round}`, `wrong${round}`)),
    );
    guesses.push(...some);
    // Their answers take a second each; the next ones take their places.
    const done = ({ socket, code, ended }: Raw) =>
      ended || (round === 0 ? code !== undefined : socket.bytesWritten > 0);
    await expect.poll(() => some.every(done), { timeout: 20_000 }).toBe(true);
  }
  // A right guess says nothing once too many were wrong.
  const right = raw(port, connectPacket('right', 'reader', 'two'));
  await expect.poll(() => right.code, { timeout: 20_000 }).toBe(3);
  expect(guesses.filter(({ code }) => code === 0)).toHaveLength(0);
  expect(guesses.filter(({ code }) => code === 4).length).toBeGreaterThan(0);
  expect(guesses.filter(({ code }) => code === 4).length).toBeLessThanOrEqual(20);
  expect((await client(port, 'mirror')).connected).toBe(true);
  const elsewhere = raw(port, connectPacket('elsewhere', 'reader', 'two'), '127.0.0.2');
  await expect.poll(() => elsewhere.code, { timeout: 20_000 }).toBe(0);
  expect(said.filter((one) => one.includes('127.0.0.1 guesses passwords')).length).toBeLessThanOrEqual(1);
});

test('who holds connections without saying who it is makes way, and is cut off in time', async () => {
  const { port } = await broker();
  const idle = Array.from({ length: 300 }, (_, index) => raw(port, undefined, `127.0.0.${1 + (index % 5)}`));
  expect((await client(port, 'mirror')).connected).toBe(true);
  expect((await client(port, 'reader')).connected).toBe(true);
  await expect.poll(() => idle.filter(({ ended }) => ended).length, { timeout: 30_000 }).toBe(300);
});

test('a packet that is too large is refused when it is announced, in whatever pieces it comes', async () => {
  const { port } = await broker();
  // 200 MB: the length in groups of seven bits.
  const announced = Buffer.from([0x10, 0x80, 0x88, 0xaf, 0x5f]);
  const greedy = Array.from({ length: 15 }, (_, index) => raw(port, announced, `127.0.0.${2 + index}`));
  await expect.poll(() => greedy.every(({ ended }) => ended), { timeout: 20_000 }).toBe(true);
  const slow = raw(port);
  for (const byte of announced) slow.socket.write(Buffer.from([byte]));
  const other = raw(port, Buffer.from('GET / HTTP/1.1\r\n\r\n'));
  await expect.poll(() => slow.ended && other.ended, { timeout: 20_000 }).toBe(true);
  const mirror = await client(port, 'mirror');
  const gone = new Promise<void>((settle) => mirror.once('close', () => settle()));
  mirror.publish('t/x', Buffer.alloc(70_000));
  await gone;
});

test('property: packets are told apart alike however their bytes are cut, and none beyond the limit passes', () => {
  const packet = fc.record({ length: fc.integer({ min: 0, max: 400 }), type: fc.integer({ min: 1, max: 15 }) });
  fc.assert(
    fc.property(
      fc.array(packet, { minLength: 1, maxLength: 12 }),
      fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1 }),
      fc.integer({ min: 1, max: 500 }),
      (packets, cuts, limit) => {
        const bytes = Buffer.concat(
          packets.map(({ length, type }, index) =>
            Buffer.from([
              (index === 0 ? 1 : type) << 4,
              ...(length < 128 ? [length] : [(length & 127) | 128, length >> 7]),
              ...Array.from({ length }, () => 0x55),
            ]),
          ),
        );
        const follow = followPackets(() => limit);
        let fault: string | undefined;
        for (let at = 0, turn = 0; at < bytes.length && fault === undefined; turn += 1) {
          const cut = cuts[turn % cuts.length] ?? 1;
          fault = follow(bytes.subarray(at, at + cut));
          at += cut;
        }
        expect(fault === undefined).toBe(packets.every(({ length }) => length <= limit));
      },
    ),
    { numRuns: 2000 },
  );
});

test('a client id belongs to its user: another who takes it does not end the first, nor hear what is meant for it', async () => {
  const { port, heard } = await broker();
  const mirror = await client(port, 'mirror', { clientId: 'the-mirror', clean: false });
  let ended = false;
  mirror.once('close', () => (ended = true));
  const reader = await client(port, 'reader', { clientId: 'the-mirror', clean: false });
  await reader.subscribeAsync('t/#');
  await mirror.publishAsync('t/nightly', 'changed', { qos: 1 });
  await expect.poll(() => heard).toEqual(['t/nightly']);
  expect([ended, mirror.connected, reader.connected]).toEqual([false, true, true]);
  // The same user does take over, as MQTT has it.
  await client(port, 'mirror', { clientId: 'the-mirror' });
  await expect.poll(() => ended).toBe(true);
});

test('what a user may hear and say is what the configuration gives, and never the broker’s own topics', async () => {
  const { port, heard } = await broker({ subscribe: { reader: ['t/+'] } });
  const reader = await client(port, 'reader');
  const granted = async (filter: string) => {
    const answer = await reader.subscribeAsync(filter, { qos: 0 }).catch(() => []);
    return answer.some(({ qos }) => qos < 128);
  };
  expect(await granted('$SYS/#')).toBe(false);
  expect(await granted('#')).toBe(false);
  expect(await granted('t/#')).toBe(false);
  expect(await granted('t/nightly')).toBe(true);
  expect(await granted('t/+')).toBe(true);
  const mirror = await client(port, 'mirror');
  expect(await mirror.subscribeAsync('t/+', { qos: 0 }).catch(() => 'refused')).toBe('refused');
  for (const [who, topic] of [
    [reader, 't/nightly'],
    [mirror, '$SYS/x/new/clients'],
  ] as const) {
    const closed = new Promise<void>((settle) => who.once('close', () => settle()));
    who.publish(topic, 'x', { qos: 1 }, () => undefined);
    await closed;
  }
  expect(heard).toEqual([]);
});

test('without a list everybody hears everything but the broker’s own topics', async () => {
  const { port } = await broker();
  const reader = await client(port, 'reader');
  const heard: string[] = [];
  reader.on('message', (topic) => heard.push(topic));
  await reader.subscribeAsync('#');
  expect(await reader.subscribeAsync('$SYS/#', { qos: 0 }).catch(() => 'refused')).toBe('refused');
  const mirror = await client(port, 'mirror');
  await mirror.publishAsync('t/nightly', 'x', { qos: 1 });
  await expect.poll(() => heard).toEqual(['t/nightly']);
});

test('a flood of messages of one user is read later, not lost, and others are heard meanwhile', async () => {
  const { port, heard } = await broker();
  const mirror = await client(port, 'mirror');
  const sent = Promise.all(
    Array.from({ length: 300 }, (_, index) => mirror.publishAsync(`t/${index}`, 'x', { qos: 1 })),
  );
  expect((await client(port, 'reader')).connected).toBe(true);
  await sent;
  await expect.poll(() => new Set(heard).size, { timeout: 30_000 }).toBe(300);
});

/** PUBLISH of MQTT 3.1.1. @param id for QoS 2; without it QoS 0 */
function publishPacket(topic: string, payload: Uint8Array, id?: number): Buffer {
  const name = Buffer.concat([Buffer.from([0, topic.length]), Buffer.from(topic)]);
  const rest = Buffer.concat([name, ...(id === undefined ? [] : [Buffer.from([0, id])]), payload]);
  const length = [(rest.length & 127) | 128, ((rest.length >> 7) & 127) | 128, rest.length >> 14];
  return Buffer.concat([Buffer.from([id === undefined ? 0x30 : 0x34, ...length]), rest]);
}

test('a reader who does not read what it subscribed to holds up no message of others', async () => {
  const { port, heard } = await broker();
  const stuck = raw(port, connectPacket('stuck', 'reader', 'two'));
  await expect.poll(() => stuck.code, { timeout: 20_000 }).toBe(0);
  // SUBSCRIBE to "#".
  stuck.socket.write(Buffer.from([0x82, 6, 0, 1, 0, 1, 0x23, 0]));
  stuck.socket.pause();
  const loud = raw(port, connectPacket('loud', 'mirror', 'one'));
  await expect.poll(() => loud.code, { timeout: 20_000 }).toBe(0);
  // More than the buffers of a connection hold, and more than are delivered at a time.
  for (let index = 0; index < 190; index += 1) loud.socket.write(publishPacket('t/loud', Buffer.alloc(60_000)));
  await expect.poll(() => heard.length, { timeout: 10_000 }).toBeGreaterThan(60);
  const mirror = await client(port, 'mirror');
  mirror.publish('t/nightly', 'changed');
  await expect.poll(() => heard, { timeout: 10_000 }).toContain('t/nightly');
  expect(stuck.ended).toBe(false);
});

test('nothing is kept for who never acknowledges, and little of who never releases', async () => {
  const { port, heard } = await broker();
  const reader = await client(port, 'reader');
  await reader.subscribeAsync('#', { qos: 2 });
  const came: number[] = [];
  reader.on('message', (_topic, _payload, { qos }) => came.push(qos));
  const greedy = raw(port, connectPacket('greedy', 'mirror', 'one'));
  await expect.poll(() => greedy.code, { timeout: 20_000 }).toBe(0);
  for (let id = 1; id <= 60; id += 1) greedy.socket.write(publishPacket('t/x', Buffer.alloc(200), id));
  await expect.poll(() => greedy.ended, { timeout: 20_000 }).toBe(true);
  // Those that use what they say go on.
  await (await client(port, 'mirror')).publishAsync('t/nightly', 'x', { qos: 2 });
  await expect.poll(() => heard, { timeout: 10_000 }).toContain('t/nightly');
  await expect.poll(() => came.length, { timeout: 10_000 }).toBeGreaterThan(0);
  expect(new Set(came)).toEqual(new Set([0]));
});

test('property: whoever may subscribe to a filter hears only topics of it', () => {
  const level = fc.constantFrom('a', 'b', '+', '');
  const filter = fc
    .tuple(fc.array(level, { minLength: 1, maxLength: 4 }), fc.boolean())
    .map(([levels, all]) => [...levels, ...(all ? ['#'] : [])].join('/'));
  const topic = fc
    .array(fc.constantFrom('a', 'b', 'c', '', '$SYS'), { minLength: 1, maxLength: 5 })
    .map((levels) => levels.join('/'));
  fc.assert(
    fc.property(filter, filter, topic, (wide, narrow, one) => {
      fc.pre(coversFilter(wide, narrow) && matchesTopic(narrow, one));
      expect(matchesTopic(wide, one)).toBe(true);
    }),
    { numRuns: 300, maxSkipsPerRun: 1000 },
  );
});
