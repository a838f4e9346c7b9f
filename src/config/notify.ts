import { existsSync } from 'node:fs';
import { z } from 'zod';
import { didYouMean } from '../base/nearest.ts';
import { trimSlashes } from '../base/url-text.ts';
import type { KeyPath } from '../base/yaml/yaml-places.ts';
import { block, type Filled, type Here } from './block.ts';
import type { Breach } from './breach.ts';
import { address, smtpSchema } from './mail-server.ts';
import { filePath, isUrl, NO_URL } from './values.ts';

/** What sinks can be told: docs/notify.md says when each of them happens. */
export const BUILD_EVENT_TYPES = [
  'started',
  'complete',
  'unchanged',
  'incomplete',
  'gate-failed',
  'failed',
  'interrupted',
  'recovered',
  'promoted',
  'released',
  'withdrawn',
  'key-expiring',
  'audit-finding',
  'dispute',
] as const;

export type BuildEventType = (typeof BUILD_EVENT_TYPES)[number];

/** What people want to know who are not watching: what went wrong, that it is right again, what became public. */
const FOR_PEOPLE: readonly BuildEventType[] = [
  'incomplete',
  'gate-failed',
  'failed',
  'recovered',
  'released',
  'withdrawn',
  'key-expiring',
  'audit-finding',
  'dispute',
];

/** The events that each type of sink gets unless told otherwise; programs get all. */
const DEFAULT_EVENTS: Readonly<Record<NotifyConfig['type'], readonly BuildEventType[]>> = {
  mail: FOR_PEOPLE,
  matrix: [...FOR_PEOPLE, 'promoted'],
  webhook: BUILD_EVENT_TYPES,
  mqtt: BUILD_EVENT_TYPES,
};

const anySink = {
  name: z
    .string()
    .regex(/^[A-Za-z0-9][\w-]*$/, 'must hold only letters, digits, "_" and "-"')
    .optional()
    .describe('Default: the type; of a second one of a type "mail-2".'),
  events: z
    .array(z.enum(BUILD_EVENT_TYPES))
    .min(1, 'needs at least one event')
    .optional()
    .describe('Default: all for programs (mqtt, webhook); for people what went wrong, is right again, or is public.'),
  streams: z.array(z.string()).min(1, 'needs at least one stream').optional().describe('Default: all.'),
};

const webUrl = z
  .string()
  .regex(/^https?:\/\/[^\s/@]+(\/\S*)?$/, 'must be an http:// or https:// URL without a password')
  .refine(isUrl, NO_URL);

const template = (here: Here) =>
  filePath(here).optional().describe('A Handlebars file of your own instead of the built-in one.');

const mail = (here: Here) =>
  block({
    type: z.literal('mail'),
    ...anySink,
    from: address,
    to: z.array(address).min(1, 'needs at least one address'),
    smtp: smtpSchema(here),
    template: template(here),
  });

const webhook = (here: Here) =>
  block({
    type: z.literal('webhook'),
    ...anySink,
    url: webUrl.describe('Gets a POST with the event as JSON.'),
    'secret-file': filePath(here).describe(
      'A file with the key that signs each request (HMAC-SHA256, Standard Webhooks).',
    ),
  });

const matrix = (here: Here) =>
  block({
    type: z.literal('matrix'),
    ...anySink,
    homeserver: webUrl.describe('Base URL of the client-server API.').transform(trimSlashes),
    room: z.string().regex(/^!\S+$/, 'must be the id of a room, as in "!abc:example.org"'),
    'access-token-file': filePath(here).describe('A file with the access token of an account that is in the room.'),
    template: template(here),
  });

const mqtt = (here: Here) =>
  block({
    type: z.literal('mqtt'),
    ...anySink,
    url: z
      .string()
      .regex(/^mqtts?:\/\/[^\s/@]+$/, 'must be mqtt://host[:port] or mqtts://host[:port], without a password'),
    username: z.string().min(1).optional(),
    'password-file': filePath(here).optional(),
    'ca-file': filePath(here).optional().describe('Certificates to trust with mqtts; default: those of the system.'),
    'topic-prefix': z
      .string()
      .regex(/^[\w.-]+(\/[\w.-]+)*$/, 'must be words joined by "/"')
      .optional()
      .describe('Default: atomic-nightly/ and the name at the top of this file.'),
  });

/** Makes the schema of one of the sinks. */
export const sinkSchema = (here: Here) =>
  z.discriminatedUnion('type', [mail(here), webhook(here), matrix(here), mqtt(here)]);

/** Makes the schema of the `notify` key. */
export const notifySchema = (sink: ReturnType<typeof sinkSchema>) =>
  z.array(sink).prefault([]).describe('Whom to tell what about builds: docs/notify.md.');

/** A sink as it was written, with the defaults that do not depend on other values. */
export type WrittenSink = z.output<ReturnType<typeof sinkSchema>>;

type With<Sink, Keys extends PropertyKey> = Sink extends unknown ? Filled<Sink, Extract<Keys, keyof Sink>> : never;

/** Whom to tell what about builds. Names are unique; no `streams`: all; no `template`: the built-in one. */
export type NotifyConfig = With<WrittenSink, 'name' | 'events' | 'topicPrefix'>;
export type MailSinkConfig = Extract<NotifyConfig, { type: 'mail' }>;
export type WebhookSinkConfig = Extract<NotifyConfig, { type: 'webhook' }>;
export type MatrixSinkConfig = Extract<NotifyConfig, { type: 'matrix' }>;
export type MqttSinkConfig = Extract<NotifyConfig, { type: 'mqtt' }>;

/** The sinks as the program uses them. @param product name of the distribution */
export function fillNotify(all: readonly WrittenSink[], product: string): NotifyConfig[] {
  return all.map((sink, index): NotifyConfig => {
    const common = { name: sinkName(all, index), events: sink.events ?? DEFAULT_EVENTS[sink.type] };
    if (sink.type !== 'mqtt') return { ...sink, ...common };
    return { ...sink, ...common, topicPrefix: sink.topicPrefix ?? `atomic-nightly/${product}` };
  });
}

/** Its own name, or its type with a number from the second of that type on. */
function sinkName(all: readonly WrittenSink[], index: number): string {
  const one = all[index];
  if (one?.name !== undefined) return one.name;
  const type = one?.type ?? '';
  const count = all.slice(0, index + 1).filter((other) => other.type === type && other.name === undefined).length;
  return count < 2 ? type : `${type}-${count}`;
}

/** Returns what is wrong with the sinks that depends on more than one value, or on the files named. */
export function checkNotify(sinks: Readonly<Record<string, WrittenSink>>, streamNames: readonly string[]): Breach[] {
  const all = Object.values(sinks);
  const names = all.map((_, index) => sinkName(all, index));
  return Object.entries(sinks).flatMap(([at, sink], index) => {
    const breaches: Breach[] = [];
    const add = (path: KeyPath, message: string) => breaches.push({ path: ['notify', Number(at), ...path], message });
    if (names.indexOf(names[index] ?? '') < index) add(['name'], `"${names[index]}" is the name of another sink.`);
    for (const [place, stream] of (sink.streams ?? []).entries()) {
      if (streamNames.includes(stream)) continue;
      const guess = didYouMean(stream, streamNames);
      add(['streams', place], `there is no stream "${stream}".${guess || ` Streams here: ${streamNames.join(', ')}.`}`);
    }
    if ('template' in sink && sink.template !== undefined && !existsSync(sink.template)) {
      add(['template'], `there is no file ${sink.template}.`);
    }
    return breaches;
  });
}

export const notifyTemplate = `
# Whom to tell what about builds (docs/notify.md); types: mail, matrix, webhook, mqtt. "notify test" tries them.
# notify:
#   - type: mail
#     from: nightly@example.org
#     to: [atomic-devel@example.org]
#     smtp: {host: smtp.example.org, security: starttls, user: nightly, password-file: /etc/atomic-nightly/smtp-password}
#     events: [failed, incomplete, gate-failed, recovered, released]
#     streams: [nightly]      # default: all
#   - {type: matrix, homeserver: 'https://matrix.example.org', room: '!abc:example.org', access-token-file: /etc/atomic-nightly/matrix-token}
#   - {type: webhook, url: 'https://example.org/hook', secret-file: /etc/atomic-nightly/webhook-secret}
#   - {type: mqtt, url: 'mqtts://broker.example.org', username: nightly, password-file: /etc/atomic-nightly/mqtt-password}
`;
