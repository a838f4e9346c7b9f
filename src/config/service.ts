import { resolve } from 'node:path';
import { validate } from 'node-cron';
import { z } from 'zod';
import type { ScheduleConfig, ServiceConfig } from './config.ts';
import { durationSeconds } from './duration.ts';
import { filePath } from './values.ts';

const duration = z
  .string()
  .regex(/^[1-9]\d*[smhdw]$/, 'must be a whole number with s, m, h, d or w, as in 90s, 5m or 12h');

const listen = z
  .string()
  .regex(/^([\w.-]+|\[[0-9A-Fa-f:.]+\]):\d{1,5}$/, 'must be host:port, as in 127.0.0.1:8099')
  .refine((text) => Number(portOf(text)) <= 65535, { error: 'has a port above 65535' });

/** The `schedule` of a nightly stream. */
export const scheduleSchema = z
  .strictObject({
    cron: z
      .string()
      .refine((text) => validate(text), {
        error: 'is no cron expression: minute hour day-of-month month day-of-week, as in "0 2 * * *"',
      })
      .describe('When a night begins; six fields have the second in front.'),
    'time-zone': z.string().refine(isTimeZone, { error: 'is no time zone, as in UTC or Europe/Berlin' }).default('UTC'),
    jitter: duration.optional().describe('Begin up to this much later, so that not everybody asks a mirror at once.'),
    'catch-up': z
      .union([z.literal(false), duration])
      .default('12h')
      .describe('A night missed within this time is begun once, as soon as the service runs again.'),
  })
  .describe('When "serve" begins a night.');

const trigger = z
  .strictObject({
    'token-hash-file': filePath
      .optional()
      .describe('Hashes of tokens, one a line ("trigger --new-token" adds one); without it there is no HTTP hook.'),
    debounce: duration.default('5m').describe('From the first message until the night begins; the others are in it.'),
  })
  .prefault({});

const topic = z
  .string()
  .regex(/^[^\s#+$/][^\s#+/]*(\/[^\s#+/]+)*$/, 'must be words joined by "/", without wildcards')
  .default('atomic-nightly/trigger')
  .describe('A message to this topic, "/" and a stream begins a night.');

const embeddedBroker = z.strictObject({
  listen: listen.default('127.0.0.1:1883'),
  'password-file': filePath.describe('Users, as mosquitto_passwd writes them.'),
  publish: z
    .record(z.string().min(1), z.array(z.string().min(1)))
    .default({})
    .describe('Topics that a user may publish to, with "+" and "#".'),
  subscribe: z
    .record(z.string().min(1), z.array(z.string().min(1)))
    .optional()
    .describe('Topics that a user may subscribe to; default: all users to everything but "$SYS".'),
  topic,
});

const externalBroker = z.strictObject({
  broker: z
    .string()
    .regex(/^(mqtts?|wss?):\/\/[^\s/@]+/, 'must be mqtt://host, mqtts://host or ws(s)://host, without a password')
    .describe('A broker that runs already.'),
  user: z.string().min(1).optional(),
  'password-file': filePath.optional().describe('The password alone, readable by its owner only.'),
  'ca-file': filePath.optional().describe('Certificates to trust with mqtts and wss; default: those of Node.'),
  topic,
});

/** The `service` block of the configuration. */
export const serviceSchema = z
  .strictObject({
    listen: listen.default('127.0.0.1:8099').describe('Pages, metrics and the trigger; host 0.0.0.0 for everywhere.'),
    retry: z
      .strictObject({
        times: z.int().min(0).max(20).default(2).describe('How often a failed night is gone on with.'),
        wait: duration.default('10m').describe('Before the first of them; doubled before each further one.'),
      })
      .prefault({}),
    drain: z
      .union([z.literal('leave'), duration])
      .default('10s')
      .describe('How long a run may go on when the service is stopped; "leave": it goes on by itself.'),
    trigger,
    mqtt: z.union([externalBroker, embeddedBroker]).optional().describe('Messages that begin a night.'),
  })
  .describe('What "serve" does besides the schedules of the streams.');

/** The block as the program uses it. */
export function normaliseService(raw: z.output<typeof serviceSchema>, folder: string): ServiceConfig {
  const { retry, drain, trigger: hook, mqtt } = raw;
  const tokens = hook['token-hash-file'];
  return {
    listen: addressOf(raw.listen),
    retry: { times: retry.times, waitSeconds: durationSeconds(retry.wait) },
    drainSeconds: drain === 'leave' ? undefined : durationSeconds(drain),
    debounceSeconds: durationSeconds(hook.debounce),
    ...(tokens === undefined ? {} : { tokenHashFile: resolve(folder, tokens) }),
    ...(mqtt === undefined ? {} : { mqtt: normaliseMqtt(mqtt, folder) }),
  };
}

function normaliseMqtt(
  raw: NonNullable<z.output<typeof serviceSchema>['mqtt']>,
  folder: string,
): NonNullable<ServiceConfig['mqtt']> {
  if ('listen' in raw) {
    const { listen: address, publish, subscribe, topic: top, 'password-file': passwords } = raw;
    return {
      type: 'embedded',
      listen: addressOf(address),
      passwordFile: resolve(folder, passwords),
      publish,
      ...(subscribe === undefined ? {} : { subscribe }),
      topic: top,
    };
  }
  const { broker, user, topic: top, 'password-file': password, 'ca-file': ca } = raw;
  return {
    type: 'external',
    broker,
    topic: top,
    ...(user === undefined ? {} : { user }),
    ...(password === undefined ? {} : { passwordFile: resolve(folder, password) }),
    ...(ca === undefined ? {} : { caFile: resolve(folder, ca) }),
  };
}

/** A stream's schedule as the program uses it. */
export function normaliseSchedule(raw: z.output<typeof scheduleSchema>): ScheduleConfig {
  const { cron, jitter, 'time-zone': timeZone, 'catch-up': catchUp } = raw;
  return {
    cron,
    timeZone,
    jitterSeconds: jitter === undefined ? 0 : durationSeconds(jitter),
    catchUpSeconds: catchUp === false ? 0 : durationSeconds(catchUp),
  };
}

function isTimeZone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
}

const portOf = (text: string): string => text.slice(text.lastIndexOf(':') + 1);

function addressOf(text: string): { host: string; port: number } {
  const host = text.slice(0, text.lastIndexOf(':')).replace(/^\[(.*)\]$/, '$1');
  return { host, port: Number(portOf(text)) };
}
