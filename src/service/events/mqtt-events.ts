import { connect } from 'mqtt';
import { asNightlyError } from '../../base/as-nightly-error.ts';
import { definedOnly } from '../../base/defined-only.ts';
import type { MqttTriggerConfig } from '../../config/config.ts';
import type { ServiceControl } from '../control.ts';
import type { ServiceLog } from '../service-log.ts';
import { type Broker, startBroker } from './broker.ts';
import { oneAtATime } from './one-at-a-time.ts';
import { streamOfTopic } from './topic.ts';

/**
 * Starts a nightly build for each message to `TOPIC/STREAM`, whatever its payload: on the embedded broker, or as a client of
 * another, to which it connects again whenever that went away.
 * @throws NightlyError `usage` when the address is taken, `config` when a file cannot be read.
 */
export async function startMqttTrigger(
  config: MqttTriggerConfig,
  control: ServiceControl,
  log: ServiceLog,
): Promise<Broker> {
  const ask = oneAtATime((stream) =>
    control
      .trigger(stream, 'a message over MQTT')
      .then(() => undefined)
      .catch((error: unknown) => log(`mqtt: ${asNightlyError(error).message}`)),
  );
  const onTopic = (topic: string): void => {
    const stream = streamOfTopic(config.topic, topic);
    if (stream !== undefined) ask(stream);
  };
  if (config.type === 'embedded') {
    return startBroker(config, { readUsers: () => control.read('mqtt-users'), onMessage: onTopic, log });
  }
  return followBroker(config, control, onTopic, log);
}

async function followBroker(
  { broker, topic, user }: Extract<MqttTriggerConfig, { type: 'external' }>,
  control: ServiceControl,
  onTopic: (topic: string) => void,
  log: ServiceLog,
): Promise<Broker> {
  const [password, ca] = [await control.read('mqtt-password'), await control.read('mqtt-ca')];
  const client = connect(broker, {
    reconnectPeriod: 5000,
    ...definedOnly({ username: user, password, ca }),
  });
  client.on('message', (name, _payload, { retain }) => {
    // What a broker kept was said to an earlier service.
    if (!retain) onTopic(name);
  });
  client.on('connect', () => {
    // Said once messages come: whoever reads it may send one.
    client.subscribe(`${topic}/+`, { qos: 1 }, (error) => log(`mqtt: ${error?.message ?? `connected to ${broker}`}`));
  });
  client.on('error', (error) => log(`mqtt: ${broker}: ${error.message}`));
  return { stop: () => client.endAsync(true) };
}
