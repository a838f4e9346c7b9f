import { connect, type IClientOptions, type MqttClient } from 'mqtt';
import { systemCa } from '../../base/certificates.ts';
import { definedOnly } from '../../base/defined-only.ts';
import type { MqttSinkConfig } from '../../config/config.ts';
import type { BuildEvent } from './event.ts';
import { deliveryError, notTaken, readLogin, type Sink } from './sink.ts';

const CONNECT_MS = 8000;

/**
 * Publishes each event as JSON, at least once (QoS 1): to `PREFIX/STREAM/events/TYPE`, and, retained, to
 * `PREFIX/STREAM/state`, so that whoever subscribes later knows how the stream stands.
 */
export function mqttSink(config: MqttSinkConfig): Sink {
  const { url, topicPrefix } = config;
  const broker = `The MQTT broker ${url}`;
  return {
    describe: () => `MQTT ${url}, topics ${topicPrefix}/…`,
    async send(event, signal) {
      const topic = `${topicPrefix}/${event.stream}`;
      const payload = JSON.stringify(event);
      await withBroker(config, { failed: notTaken(broker), signal }, async (client) => {
        await client.publishAsync(`${topic}/events/${event.type}`, payload, { qos: 1 });
        if (saysState(event)) await client.publishAsync(`${topic}/state`, payload, { qos: 1, retain: true });
      });
    },
    check: (signal) =>
      withBroker(config, { failed: `${broker} did not accept a connection`, signal }, async () => undefined),
  };
}

/** A test, the age of a key, a dispute, and what an audit found are no state of a stream. */
function saysState({ type }: BuildEvent): boolean {
  return type !== 'test' && type !== 'key-expiring' && type !== 'audit-finding' && type !== 'dispute';
}

async function withBroker(
  config: MqttSinkConfig,
  { failed, signal }: { readonly failed: string; readonly signal: AbortSignal },
  work: (client: MqttClient) => Promise<void>,
): Promise<void> {
  const { url, username, passwordFile, caFile } = config;
  const options: IClientOptions = {
    reconnectPeriod: 0,
    connectTimeout: CONNECT_MS,
    ...(username === undefined ? {} : { username }),
    ...(passwordFile === undefined ? {} : { password: await readLogin(passwordFile) }),
    ...definedOnly({ ca: caFile === undefined ? systemCa() : await readLogin(caFile) }),
  };
  signal.throwIfAborted();
  const client = connect(url, options);
  const lost = new Promise<never>((_, reject) => {
    client.on('error', reject);
    client.on('close', () => reject(new Error('the connection was closed')));
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
  lost.catch(() => undefined);
  try {
    await Promise.race([lost, new Promise((connected) => client.once('connect', connected))]);
    await Promise.race([lost, work(client)]);
    // Not forced: what is under way is written, and the broker learns that this is no accident.
    await Promise.race([lost, client.endAsync()]).catch(() => undefined);
  } catch (error) {
    throw deliveryError(failed, reasonOf(error), error);
  } finally {
    client.end(true);
  }
}

/**
 * Returns the reason of a failed connection: for a name with several addresses, Node only reports that none could be
 * reached.
 */
function reasonOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(reasonOf).join(', ');
  return error instanceof Error ? error.message : String(error);
}
