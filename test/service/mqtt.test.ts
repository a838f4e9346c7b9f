import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { freePort } from '../../src/base/free-port.ts';
import { run, start } from '../../src/programs/exec.ts';
import { everyCase } from '../support/every-case.ts';
import { startMosquitto } from '../support/mosquitto.ts';
import { configureService, endService, startServe } from '../support/service.ts';
import { untilListening } from '../support/sshd.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { makeWorld, records, type World } from '../support/world.ts';

async function emptyWorld(): Promise<World> {
  const world = await makeWorld(temporaryFolder());
  onTestFinished(() => world.stop());
  return world;
}

/** Publishes with mosquitto's own client; gives its exit code. */
async function publish(port: number, [user, password]: readonly [string, string], topic: string): Promise<number> {
  const args = [
    '-h',
    '127.0.0.1',
    '-p',
    String(port),
    '-u',
    user,
    '-P',
    password,
    '-q',
    '1',
    '-t',
    topic,
    '-m',
    'changed',
  ];
  return (await run('mosquitto_pub', args, { okExitCodes: [0, 4, 5, 7, 14], timeoutMs: 20_000 })).exitCode;
}

const states = async (world: World) => (await records(world)).map((build) => build['atomic-nightly.state']);

test('the broker that comes along: a message of whoever may begins a night, nobody else’s does', async () => {
  const world = await emptyWorld();
  const port = await freePort();
  const users = join(world.dir, 'users');
  await run('mosquitto_passwd', ['-b', '-c', users, 'mirror', 'one']);
  await run('mosquitto_passwd', ['-b', users, 'reader', 'two']);
  await configureService(world, [
    'trigger: {debounce: 2s}',
    `mqtt: {listen: '127.0.0.1:${port}', password-file: ./users, publish: {mirror: ['atomic-nightly/trigger/+']}}`,
  ]);
  const service = await startServe(world);
  onTestFinished(() => endService(service, world));

  const topic = 'atomic-nightly/trigger/nightly';
  expect(await publish(port, ['mirror', 'two'], topic)).not.toBe(0);
  expect(await publish(port, ['nobody', ''], topic)).not.toBe(0);
  await publish(port, ['reader', 'two'], topic);
  await publish(port, ['mirror', 'one'], 'atomic-nightly/builds/nightly');
  await publish(port, ['mirror', 'one'], 'atomic-nightly/trigger/other');
  await service.until('There is no stream "other"');
  expect(service.said()).not.toContain('asked for by');
  expect(await publish(port, ['mirror', 'one'], topic)).toBe(0);
  expect(await publish(port, ['mirror', 'one'], topic)).toBe(0);
  await service.until(/build \d+_01 complete\n/);
  expect(service.said().match(/asked for by a message over MQTT/g)).toHaveLength(2);
  await sleep(3000);
  expect(await states(world)).toEqual(['complete']);
});

test('mosquitto: a message begins a night, also after the broker was away; what it kept from before does not', async () => {
  const world = await emptyWorld();
  const port = await freePort();
  const users = join(world.dir, 'users');
  await run('mosquitto_passwd', ['-b', '-c', users, 'service', 'geheim']);
  const conf = join(world.dir, 'mosquitto.conf');
  // As root, mosquitto would become a user that cannot read the test's folder.
  await writeFile(
    conf,
    `listener ${port} 127.0.0.1\nallow_anonymous false\npassword_file ${users}\n${process.getuid?.() === 0 ? 'user root\n' : ''}`,
  );
  const mosquitto = async () => {
    const broker = await start('mosquitto', ['-c', conf]);
    onTestFinished(() => broker.stop());
    await untilListening(port);
    return broker;
  };
  const first = await mosquitto();
  await writeFile(join(world.dir, 'mqtt-password'), 'geheim\n', { mode: 0o600 });
  await configureService(world, [
    'trigger: {debounce: 1s}',
    `mqtt: {broker: 'mqtt://127.0.0.1:${port}', user: service, password-file: ./mqtt-password, topic: mirrors/changed}`,
  ]);
  const publishKept = ['-r', '-h', '127.0.0.1', '-p', String(port), '-u', 'service', '-P', 'geheim'];
  await run('mosquitto_pub', [...publishKept, '-t', 'mirrors/changed/nightly', '-m', 'long ago']);
  const service = await startServe(world);
  onTestFinished(() => endService(service, world));
  await service.until('mqtt: connected to');
  await sleep(1000);
  expect(service.said()).not.toContain('asked for by');
  expect(await publish(port, ['service', 'geheim'], 'mirrors/changed/nightly')).toBe(0);
  await service.until(/build \d+_01 complete\n/);

  await first.stop();
  await mosquitto();
  await service.until(/connected to(.*\n)*.*connected to/, 30);
  expect(await publish(port, ['service', 'geheim'], 'mirrors/changed/nightly')).toBe(0);
  await service.until(/build \d+_02 unchanged\n/);
  expect(await states(world)).toEqual(['complete', 'unchanged']);
  const told = service.said() + (await readFile(join(world.dir, 'work/service/nightly.log'), 'utf8'));
  expect(told).not.toContain('geheim');
});

test.runIf(everyCase)('mosquitto over TLS: a message begins a night once its certificate is trusted', async () => {
  const world = await emptyWorld();
  const broker = await startMosquitto(world.dir, { tls: true });
  const message = ['-h', '127.0.0.1', '-p', new URL(broker.url).port, '--cafile', broker.caFile];
  await configureService(world, [
    'trigger: {debounce: 1s}',
    `mqtt: {broker: '${broker.url}', ca-file: ${broker.caFile}}`,
  ]);
  const service = await startServe(world);
  onTestFinished(() => endService(service, world));
  await service.until('mqtt: connected to mqtts:');
  await run('mosquitto_pub', [...message, '-q', '1', '-t', 'atomic-nightly/trigger/nightly', '-m', 'changed']);
  await service.until(/build \d+_01 complete\n/);
});
