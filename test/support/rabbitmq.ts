import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type ConfirmChannel, connect } from 'amqplib';
import { onTestFinished } from 'vitest';
import { freePort } from '../../src/base/free-port.ts';
import { type RunningProcess, start } from '../../src/programs/exec.ts';
import type { PrivateCa } from './proxy-world.ts';
import { until } from './until.ts';

const SERVER = '/usr/lib/rabbitmq/bin/rabbitmq-server';
const EPMD = '/usr/bin/epmd';

/** The user that gets in, and its password. */
export const HUB = { user: 'hub', password: 'secret' } as const;

export interface RabbitMq {
  /** Without a user. */
  readonly url: string;
  stop(): Promise<void>;
  /** After `stop`, with all that it had kept. */
  start(): Promise<void>;
}

/**
 * A real RabbitMQ on loopback, until the running test ends: it speaks AMQP 0-9-1 and 1.0. Erlang's name server is one of its own, so
 * that nothing stays and nobody else's is used.
 * @param tls lets in who shows a certificate of that authority, whose common name is the user
 */
export async function startRabbitMq(dir: string, tls?: PrivateCa): Promise<RabbitMq> {
  const [port, dist, names] = [await freePort(), await freePort(), await freePort()];
  const folder = join(dir, 'rabbitmq');
  await mkdir(folder, { recursive: true });
  const listens = tls
    ? [
        'listeners.tcp = none',
        `listeners.ssl.default = 127.0.0.1:${port}`,
        `ssl_options.cacertfile = ${tls.ca}`,
        `ssl_options.certfile = ${tls.cert}`,
        `ssl_options.keyfile = ${tls.key}`,
        'ssl_options.verify = verify_peer',
        'ssl_options.fail_if_no_peer_cert = true',
        'ssl_cert_login_from = common_name',
        'auth_mechanisms.1 = EXTERNAL',
      ]
    : [`listeners.tcp.default = 127.0.0.1:${port}`];
  const users = [
    'loopback_users = none',
    `default_user = ${tls ? 'localhost' : HUB.user}`,
    `default_pass = ${HUB.password}`,
  ];
  const log = ['log.file = false', 'log.console = true', 'log.console.level = info'];
  await writeFile(join(folder, 'rabbitmq.conf'), [...listens, ...users, ...log, ''].join('\n'));
  await writeFile(join(folder, 'plugins'), '[rabbitmq_amqp1_0,rabbitmq_auth_mechanism_ssl].\n');
  const env = {
    HOME: folder,
    RABBITMQ_NODENAME: `test${port}@localhost`,
    RABBITMQ_MNESIA_BASE: join(folder, 'db'),
    RABBITMQ_LOG_BASE: join(folder, 'log'),
    RABBITMQ_CONF_ENV_FILE: '/dev/null',
    RABBITMQ_CONFIG_FILE: join(folder, 'rabbitmq.conf'),
    RABBITMQ_ENABLED_PLUGINS_FILE: join(folder, 'plugins'),
    RABBITMQ_DIST_PORT: String(dist),
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '-kernel inet_dist_use_interface {127,0,0,1}',
    RABBITMQ_PID_FILE: join(folder, 'pid'),
    ERL_EPMD_ADDRESS: '127.0.0.1',
    ERL_EPMD_PORT: String(names),
  };
  // First, so that the broker has none to start, which would outlive it.
  const epmd = await start(EPMD, ['-port', String(names), '-address', '127.0.0.1']);
  onTestFinished(() => epmd.stop());
  let broker: RunningProcess | undefined;
  const rabbit: RabbitMq = {
    url: `${tls ? 'amqps' : 'amqp'}://127.0.0.1:${port}`,
    async stop() {
      await broker?.stop(60_000);
      broker = undefined;
    },
    async start() {
      let ready = false;
      const said: string[] = [];
      broker = await start(SERVER, [], {
        env,
        onLine(line) {
          said.push(line);
          ready ||= line.includes('Server startup complete');
        },
      });
      void broker.exited.then(() => said.push('it ended'));
      await until(() => {
        if (said.at(-1) === 'it ended') throw new Error(said.slice(-20).join('\n'));
        return ready;
      });
    },
  };
  onTestFinished(() => rabbit.stop());
  await rabbit.start();
  return rabbit;
}

/** Makes a queue, so that an address of AMQP 1.0 names one. */
export async function makeQueue(rabbit: RabbitMq, queue: string, topic: string): Promise<void> {
  await asHub(rabbit, async (channel) => {
    await channel.assertQueue(queue, { durable: true });
    await channel.bindQueue(queue, 'amq.topic', topic);
  });
}

/** Publishes texts as a hub does, and returns once the broker has them. */
export async function publishTo(rabbit: RabbitMq, topic: string, texts: readonly string[]): Promise<void> {
  await asHub(rabbit, async (channel) => {
    for (const text of texts) channel.publish('amq.topic', topic, Buffer.from(text), { persistent: true });
    await channel.waitForConfirms();
  });
}

async function asHub({ url }: RabbitMq, work: (channel: ConfirmChannel) => Promise<unknown>): Promise<void> {
  const { hostname, port } = new URL(url);
  const connection = await connect({ hostname, port: Number(port), username: HUB.user, password: HUB.password });
  await work(await connection.createConfirmChannel());
  await connection.close();
}
