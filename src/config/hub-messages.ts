import { z } from 'zod';
import { block, type Here } from './block.ts';
import type { Breach } from './breach.ts';
import { brokerLogin } from './broker.ts';
import { filePath, isUrl, NO_URL } from './values.ts';

/** What the buses speak that koji's plugins send to: CBS's own plugin, fedora-messaging, protonmsg. */
const PROTOCOLS = ['mqtt', 'amqp-0-9-1', 'amqp-1.0'] as const;
export type BusProtocol = (typeof PROTOCOLS)[number];

/** Whether the virtual host can be told. */
function isDecodable(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}

/** Makes the schema of `content.messages`: the bus that koji's hub sends to. */
export const hubMessagesSchema = (here: Here) =>
  block({
    broker: z
      .string()
      .regex(
        /^(mqtts?|wss?|amqps?):\/\/[^\s/@]+(\/\S*)?$/,
        'must be mqtt(s)://host, ws(s)://host or amqp(s)://host, without a password',
      )
      .refine(isUrl, NO_URL)
      .refine(isDecodable, { error: 'has a "%" without two hexadecimal digits' })
      .describe('The broker; of AMQP 0-9-1 with the virtual host, as in "amqps://host/%2Fpubsub".'),
    protocol: z
      .enum(PROTOCOLS)
      .optional()
      .describe('What it speaks; default: "mqtt", and "amqp-0-9-1" with amqp:// and amqps://.'),
    topic: z
      .string()
      .regex(/^\S{1,255}$/, 'must be a topic')
      .optional()
      .describe(
        'Topic of messages that name a tag: of MQTT with "+" and "#", default "koji"; of AMQP 0-9-1 with "*" and "#"; of AMQP 1.0 the address.',
      ),
    exchange: z
      .string()
      .regex(/^[\w.:-]{1,127}$/, 'must be the name of an exchange')
      .optional()
      .describe('Exchange of AMQP 0-9-1 that has the topic; default: amq.topic.'),
    'client-id': z
      .string()
      .regex(/^[\w.-]{1,65}$/, 'must be letters, digits, ".", "-" and "_"')
      .refine((text) => text !== 'signing', {
        error: "is the id that CBS's own plugin connects with; one throws the other out",
      })
      .optional()
      .describe(
        'Id of the persistent session, with AMQP 0-9-1 the name of the queue; default: atomic-nightly- and the name of the project.',
      ),
    ...brokerLogin(here),
    'cert-file': filePath(here).optional().describe('Client certificate (PEM).'),
    'key-file': filePath(here).optional().describe('Its key (PEM), readable by its owner only.'),
    'status-topic': z
      .string()
      .regex(/^[^\s#+/]+(\/[^\s#+/]+)*$/, 'must be words joined by "/", without wildcards')
      .optional()
      .describe(
        'Topic to tell when the processing of a tag begins and ends, as cbs-signing did, over MQTT; default: it is not told.',
      ),
  });

/** The bus that a hub sends to. */
export type HubMessagesConfig = z.output<ReturnType<typeof hubMessagesSchema>>;

const isAmqp = (broker: string): boolean => broker.startsWith('amqp');

/** Returns what the bus speaks. */
export function busProtocol({ protocol, broker }: Pick<HubMessagesConfig, 'protocol' | 'broker'>): BusProtocol {
  return protocol ?? (isAmqp(broker) ? 'amqp-0-9-1' : 'mqtt');
}

const TOPICS: Readonly<Record<BusProtocol, readonly [pattern: RegExp, must: string]>> = {
  mqtt: [/^(?:[^#+/]+|\+)(?:\/(?:[^#+/]+|\+))*(?:\/#)?$/, 'a topic, with "+" for a level and "#" at the end'],
  'amqp-0-9-1': [
    /^(?:[^.*#]+|[*#])(?:\.(?:[^.*#]+|[*#]))*$/,
    'words joined by ".", with "*" for one and "#" for any number of them',
  ],
  'amqp-1.0': [/^/, 'an address'],
};

/** Returns what is wrong with the bus that depends on what it speaks. */
export function checkHubMessages(messages: HubMessagesConfig | undefined): Breach[] {
  if (messages === undefined) return [];
  const { broker, topic, exchange, statusTopic } = messages;
  const protocol = busProtocol(messages);
  const at = (key: string, message: string): Breach => ({ path: ['content', 'messages', key], message });
  const [pattern, must] = TOPICS[protocol];
  const breaches: Breach[] = [];
  if (isAmqp(broker) !== (protocol !== 'mqtt')) {
    breaches.push(at('protocol', `is "${protocol}", and the address of the broker is of another: ${broker}.`));
  }
  if (topic !== undefined && !pattern.test(topic)) breaches.push(at('topic', `must be ${must}.`));
  if (topic === undefined && protocol !== 'mqtt') {
    breaches.push({ path: ['content', 'messages'], message: `needs topic, which must be ${must}.` });
  }
  if (exchange !== undefined && protocol !== 'amqp-0-9-1') {
    breaches.push(at('exchange', 'is of AMQP 0-9-1 alone; leave it out.'));
  }
  if (statusTopic !== undefined && protocol !== 'mqtt') {
    breaches.push(at('status-topic', 'can be told over MQTT alone; leave it out.'));
  }
  return breaches;
}
