import { connect } from 'mqtt';
import type { MqttTriggerConfig } from '../config/config.ts';
import { asNightlyError } from '../run/runner.ts';
import { type FilePurpose, readPublicFile, readSecretText } from '../tools/secret-file.ts';
import { type Broker, startBroker } from './broker.ts';
import type { ServiceLog } from './log.ts';
import type { Service } from './service.ts';
import { streamOfTopic } from './topic.ts';

const PASSWORD_FILE: FilePurpose = {
  ...{ what: 'MQTT password file', code: 'config', exposed: 'choose a new password' },
  missing: 'Correct "service.mqtt.password-file" in the configuration, or put the file there.',
};
const CA_FILE: Omit<FilePurpose, 'exposed'> = {
  ...{ what: 'file of certificates to trust', code: 'config' },
  missing: 'Correct "service.mqtt.ca-file" in the configuration, or put the file there.',
};

/**
 * Begins a night for each message to `TOPIC/STREAM`, whatever it says: on the broker that comes along, or as a client of
 * another, to which it connects again whenever that went away.
 * @throws NightlyError `usage` when the address is taken, `config` when a file cannot be read.
 */
export async function startMqttTrigger(config: MqttTriggerConfig, service: Service, log: ServiceLog): Promise<Broker> {
  const onTopic = (topic: string): void => {
    const stream = streamOfTopic(config.topic, topic);
    if (stream === undefined) return;
    service
      .trigger(stream, 'a message over MQTT')
      .catch((error: unknown) => log(`mqtt: ${asNightlyError(error).message}`));
  };
  if (config.type === 'embedded') return startBroker(config, onTopic);
  return followBroker(config, onTopic, log);
}

async function followBroker(
  { broker, topic, user, passwordFile, caFile }: Extract<MqttTriggerConfig, { type: 'external' }>,
  onTopic: (topic: string) => void,
  log: ServiceLog,
): Promise<Broker> {
  const password = passwordFile === undefined ? undefined : await readSecretText(passwordFile, PASSWORD_FILE);
  const client = connect(broker, {
    reconnectPeriod: 5000,
    ...(user === undefined ? {} : { username: user }),
    ...(password === undefined ? {} : { password }),
    ...(caFile === undefined ? {} : { ca: await readPublicFile(caFile, CA_FILE) }),
  });
  client.on('message', (name, _payload, { retain }) => {
    // What a broker kept was said to an earlier service.
    if (!retain) onTopic(name);
  });
  client.on('connect', () => {
    log(`mqtt: connected to ${broker}`);
    client.subscribe(`${topic}/+`, { qos: 1 }, (error) => error && log(`mqtt: ${error.message}`));
  });
  client.on('error', (error) => log(`mqtt: ${broker}: ${error.message}`));
  return { stop: () => client.endAsync(true) };
}
