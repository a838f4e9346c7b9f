import { connect, type IClientOptions, type MqttClient } from 'mqtt';
import { reasonOf } from '../../base/connection-faults.ts';
import { definedOnly } from '../../base/defined-only.ts';
import { type BusConnection, type BusEvents, type BusPlace, RECONNECT_MS } from './bus-connection.ts';

/** A connection that can also tell something. */
export interface MqttBus extends BusConnection {
  publish(topic: string, text: string): void;
}

/**
 * Follows a topic of an MQTT broker. The session is persistent: the broker keeps what comes while the service is down (mosquitto: 1000
 * messages of a client).
 */
export function followMqtt(
  { broker, topic, clientId, isLasting, user, password, ca, cert, key }: BusPlace,
  events: BusEvents,
): MqttBus {
  const options: IClientOptions = {
    ...{ clientId, clean: !isLasting, reconnectPeriod: RECONNECT_MS.first },
    ...definedOnly({ username: user, password, ca, cert, key }),
  };
  const client: MqttClient = connect(broker, options);
  let why = 'it ended the connection';
  client.on('message', (_topic, payload) => events.message(payload));
  client.on('connect', () => {
    client.subscribe(topic, { qos: 2 }, (error) => {
      if (error) {
        why = error.message;
        // Without what it is there for it is of no use, and is made again.
        return void client.stream.destroy();
      }
      client.options.reconnectPeriod = RECONNECT_MS.first;
      events.up();
    });
  });
  client.on('error', (error) => {
    why = reasonOf(error);
  });
  client.on('close', () => {
    if (client.disconnecting) return;
    // It is read before each try.
    client.options.reconnectPeriod = Math.min(2 * (client.options.reconnectPeriod ?? 0), RECONNECT_MS.most);
    events.down(why);
    why = 'it ended the connection';
  });
  return {
    connected: () => client.connected,
    publish: (to, text) => void client.publish(to, text),
    stop: () => client.endAsync(true),
  };
}
