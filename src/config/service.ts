import { z } from 'zod';
import { block, type Here } from './block.ts';
import { brokerLogin, brokerUrl } from './broker.ts';
import { durationSeconds } from './duration.ts';
import { filePath, wait, waitText } from './values.ts';

/** `host:port`, as the program listens on. */
export const listen = z
  .string()
  .regex(/^([\w.-]+|\[[0-9A-Fa-f:.]+\]):\d{1,5}$/, 'must be host:port, as in 127.0.0.1:8099')
  .refine((text) => Number(portOf(text)) <= 65535, { error: 'has a port above 65535' })
  .transform(addressOf);

const trigger = (here: Here) =>
  block(
    {
      'token-hash-file': filePath(here)
        .optional()
        .describe('Hashes of tokens, one a line ("trigger --new-token" adds one); without it there is no HTTP hook.'),
      debounce: wait
        .prefault('5m')
        .describe('Time from the first message until the nightly build starts; it covers later messages.'),
    },
    { debounce: 'debounceSeconds' },
  ).prefault({});

const topic = z
  .string()
  .regex(/^[^\s#+$/][^\s#+/]*(\/[^\s#+/]+)*$/, 'must be words joined by "/", without wildcards')
  .default('atomic-nightly/trigger')
  .describe('A message to this topic, "/" and a stream starts a nightly build.');

const topicsByUser = z.record(z.string().min(1), z.array(z.string().min(1)));

const embeddedBroker = (here: Here) =>
  block({
    listen: listen.prefault('127.0.0.1:1883'),
    'password-file': filePath(here).describe('Users, as mosquitto_passwd writes them.'),
    publish: topicsByUser.default({}).describe('Topics that a user may publish to, with "+" and "#".'),
    subscribe: topicsByUser
      .optional()
      .describe('Topics that a user may subscribe to; default: all users to everything but "$SYS".'),
    topic,
  }).transform((broker) => ({ type: 'embedded' as const, ...broker }));

const externalBroker = (here: Here) =>
  block({
    broker: brokerUrl.describe('A broker that runs already.'),
    ...brokerLogin(here),
    topic,
  }).transform((broker) => ({ type: 'external' as const, ...broker }));

/** Makes the schema of the `service` block: what "serve" does besides the schedules of the streams. */
export const serviceSchema = (here: Here) =>
  block(
    {
      listen: listen
        .prefault('127.0.0.1:8099')
        .describe('Pages, metrics and the trigger; host 0.0.0.0 for everywhere.'),
      user: z
        .string()
        .regex(/^[a-z_][a-z0-9_.-]*\$?$/i, 'must be the name of a user')
        .optional()
        .describe(
          'Who listens (HTTP, MQTT) when root starts the service; default: atomic-nightly, or nobody where there is no such user. "root": no process of its own.',
        ),
      retry: block(
        {
          times: z.int().min(0).max(20).default(2).describe('Number of retries of a failed nightly build.'),
          wait: wait.prefault('10m').describe('Before the first of them; doubled before each further one.'),
        },
        { wait: 'waitSeconds' },
      ).prefault({}),
      drain: z
        .union([z.literal('leave'), waitText])
        .default('10s')
        .describe('How long a run may continue when the service is stopped; "leave": the run keeps going detached.')
        .transform((text) => (text === 'leave' ? undefined : durationSeconds(text))),
      trigger: trigger(here),
      mqtt: z
        .union([externalBroker(here), embeddedBroker(here)])
        .optional()
        .describe('Messages that start a nightly build.'),
    },
    { drain: 'drainSeconds' },
  )
    .describe('What "serve" does in addition to the schedules of the streams.')
    .transform(({ trigger: hook, ...service }) => ({ ...service, ...hook }));

/** No `drainSeconds`: a run is left to go on by itself; no `tokenHashFile`: there is no HTTP hook. */
export type ServiceConfig = Readonly<z.output<ReturnType<typeof serviceSchema>>>;

/** Where messages that start a nightly build come from: `TOPIC/STREAM`. */
export type MqttTriggerConfig = NonNullable<ServiceConfig['mqtt']>;

function portOf(text: string): string {
  return text.slice(text.lastIndexOf(':') + 1);
}

export interface Address {
  readonly host: string;
  readonly port: number;
}

function addressOf(text: string): Address {
  const host = text.slice(0, text.lastIndexOf(':')).replace(/^\[(.*)\]$/, '$1');
  return { host, port: Number(portOf(text)) };
}

export const serviceTemplate = `
# What else "atomic-nightly serve" does: pages and metrics, retries after a failure, requests to start a nightly build.
# service:
#   listen: 127.0.0.1:8099
#   retry: {times: 2, wait: 10m}
#   drain: 10s                 # how long a run may go on when the service is stopped
#   trigger: {token-hash-file: ./trigger-tokens, debounce: 5m}
#   mqtt: {broker: 'mqtts://mqtt.example.org', user: nightly, password-file: ./mqtt-password}
`;
