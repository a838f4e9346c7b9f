import { randomBytes } from 'node:crypto';
import { NightlyError } from '../../base/errors.ts';
import { oneLine } from '../../base/one-line.ts';
import { busProtocol, type HubMessagesConfig } from '../../config/hub-messages.ts';
import type { BusConnection, BusEvents, BusPlace } from './bus-connection.ts';
import { type BusFile, readBusFile } from './bus-files.ts';

/** A connection, with what tells something over it where the bus can do that for us. */
export interface OpenBus extends BusConnection {
  readonly publish?: (topic: string, text: string) => void;
}

/** Who follows a bus. */
interface Follower {
  readonly messages: HubMessagesConfig;
  readonly clientId: string;
  readonly isLasting: boolean;
  readonly read: (file: BusFile) => Promise<string | undefined>;
}

/** Follows a bus, whatever it speaks. @throws NightlyError `config` when a file cannot be read. */
export async function openBus({ messages, clientId, isLasting, read }: Follower, events: BusEvents): Promise<OpenBus> {
  const { broker, user, topic = 'koji', exchange = 'amq.topic' } = messages;
  const place: BusPlace = {
    ...{ broker, clientId, isLasting, user, topic },
    password: await read('koji-bus-password'),
    ca: await read('koji-bus-ca'),
    cert: await read('koji-bus-cert'),
    key: await read('koji-bus-key'),
  };
  // Each library is loaded where it is needed.
  switch (busProtocol(messages)) {
    case 'amqp-0-9-1':
      return (await import('./amqp-bus.ts')).followAmqp({ ...place, exchange }, events);
    case 'amqp-1.0':
      return (await import('./amqp1-bus.ts')).followAmqp1(place, events);
    case 'mqtt':
      return (await import('./mqtt-bus.ts')).followMqtt(place, events);
  }
}

/**
 * Follows a bus for a moment, beside whoever follows it already, and takes no message from them.
 * @throws NightlyError `koji` with what the broker or the connection said, `config`
 */
export async function tryBus(messages: HubMessagesConfig, signal: AbortSignal): Promise<void> {
  const clientId = `atomic-nightly-try-${randomBytes(6).toString('hex')}`;
  const refused = (why: string) =>
    new NightlyError('koji', `The bus ${messages.broker} cannot be followed: ${oneLine(why)}.`, {
      hint: 'Correct "content.messages"; meanwhile the poll alone finds what changes.',
    });
  const follower = { messages, clientId, isLasting: false, read: (file: BusFile) => readBusFile(messages, file) };
  let bus: OpenBus | undefined;
  try {
    await new Promise<void>((resolve, reject) => {
      signal.addEventListener('abort', () => reject(refused('it does not answer')), { once: true });
      const events = { message: () => undefined, up: resolve, down: (why: string) => reject(refused(why)) };
      openBus(follower, events).then((opened) => {
        bus = opened;
      }, reject);
    });
  } finally {
    await bus?.stop();
  }
}
