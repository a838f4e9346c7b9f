import { createServer } from 'node:net';
import { Aedes } from 'aedes';
import type { MqttTriggerConfig } from '../config/config.ts';
import { readTextIfExists } from '../tools/files.ts';
import { listening } from './listen.ts';
import { isPassword, readPasswords } from './mosquitto-passwords.ts';
import { matchesTopic } from './topic.ts';

/** MQTT return code: bad user name or password (MQTT 3.1.1, 3.2.2.3). */
const BAD_USER = 4;
const MAX_CONNECTIONS = 100;
/** Of one message; what is told here is short. */
const MAX_PACKET_BYTES = 64 * 1024;

/** A running broker. */
export interface Broker {
  stop(): Promise<void>;
}

/**
 * The broker that comes along: for one machine or a small network, with users of a mosquitto password file. Everybody
 * with a password may subscribe; to publish, a user needs the topic in `publish`.
 * @param onMessage called for each message that somebody was allowed to publish
 * @throws NightlyError `usage` when the address is taken.
 */
export async function startBroker(
  { listen, passwordFile, publish }: Extract<MqttTriggerConfig, { type: 'embedded' }>,
  onMessage: (topic: string) => void,
): Promise<Broker> {
  /** By client: who it is. */
  const users = new WeakMap<object, string>();
  const broker = await Aedes.createBroker({
    connectTimeout: 10_000,
    authenticate(client, user, password, done) {
      // Read each time: users come and go without a restart.
      readTextIfExists(passwordFile)
        .then((text) => isPassword(readPasswords(text ?? ''), user, password))
        .then((right) => {
          if (right && user !== undefined) users.set(client, user);
          if (right) done(null, true);
          else done(Object.assign(new Error('unknown user or wrong password'), { returnCode: BAD_USER }), false);
        })
        .catch((error: unknown) => done(Object.assign(new Error(String(error)), { returnCode: BAD_USER }), false));
    },
    authorizePublish(client, { topic, payload }, done) {
      const filters = client ? (publish[users.get(client) ?? ''] ?? []) : ['#'];
      const small = payload.length <= MAX_PACKET_BYTES;
      done(small && filters.some((filter) => matchesTopic(filter, topic)) ? null : new Error('not allowed'));
    },
  });
  broker.on('publish', ({ topic }, client) => {
    if (client) onMessage(topic);
  });
  const server = createServer((socket) => {
    broker.handle(socket);
  });
  server.maxConnections = MAX_CONNECTIONS;
  await listening(server, listen, 'service.mqtt.listen');
  return {
    async stop() {
      const closed = new Promise((settle) => server.close(settle));
      await new Promise<void>((settle) => broker.close(settle));
      await closed;
    },
  };
}
