import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { z } from 'zod';
import { didYouMean } from '../base/nearest.ts';
import type { KeyPath } from '../base/yaml/yaml-places.ts';
import type { NotifyConfig } from './config.ts';
import { address, normaliseSmtp, smtpSchema } from './mail-server.ts';
import { filePath } from './values.ts';

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
];

/** By type of sink; programs get everything. */
const DEFAULT_EVENTS: Readonly<Record<RawNotify['type'], readonly BuildEventType[]>> = {
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
  .regex(/^https?:\/\/[^\s/@]+(\/\S*)?$/, 'must be an http:// or https:// URL without a password');

const template = filePath.optional().describe('A Handlebars file of your own instead of the one that comes along.');

const mail = z.strictObject({
  type: z.literal('mail'),
  ...anySink,
  from: address,
  to: z.array(address).min(1, 'needs at least one address'),
  smtp: smtpSchema,
  template,
});

const webhook = z.strictObject({
  type: z.literal('webhook'),
  ...anySink,
  url: webUrl.describe('Gets a POST with the event as JSON.'),
  'secret-file': filePath.describe('A file with the key that signs each request (HMAC-SHA256, Standard Webhooks).'),
});

const matrix = z.strictObject({
  type: z.literal('matrix'),
  ...anySink,
  homeserver: webUrl.describe('Base URL of the client-server API.'),
  room: z.string().regex(/^!\S+$/, 'must be the id of a room, as in "!abc:example.org"'),
  'access-token-file': filePath.describe('A file with the access token of an account that is in the room.'),
  template,
});

const mqtt = z.strictObject({
  type: z.literal('mqtt'),
  ...anySink,
  url: z
    .string()
    .regex(/^mqtts?:\/\/[^\s/@]+$/, 'must be mqtt://host[:port] or mqtts://host[:port], without a password'),
  username: z.string().min(1).optional(),
  'password-file': filePath.optional(),
  'ca-file': filePath.optional().describe('Certificates to trust with mqtts; default: those of Node.'),
  'topic-prefix': z
    .string()
    .regex(/^[\w.-]+(\/[\w.-]+)*$/, 'must be words joined by "/"')
    .optional()
    .describe('Default: atomic-nightly/ and the name at the top of this file.'),
});

export const sinkSchema = z.discriminatedUnion('type', [mail, webhook, matrix, mqtt]);

/** The `notify` key of a configuration. */
export const notifySchema = z.array(sinkSchema).default([]).describe('Whom to tell what about builds: docs/notify.md.');

export type RawNotify = z.output<typeof sinkSchema>;

/** The sinks as the program uses them. @param product name of the distribution */
export function normaliseNotify(all: readonly RawNotify[], product: string, folder: string): NotifyConfig[] {
  return all.map((raw, index) => normaliseSink(raw, sinkName(all, index), product, folder));
}

function normaliseSink(raw: RawNotify, name: string, product: string, folder: string): NotifyConfig {
  const { events = DEFAULT_EVENTS[raw.type], streams } = raw;
  const common = { name, events, ...(streams === undefined ? {} : { streams }) };
  switch (raw.type) {
    case 'mail': {
      const { type, from, to } = raw;
      return { ...common, type, from, to, smtp: normaliseSmtp(raw.smtp, folder), ...templateOf(raw, folder) };
    }
    case 'webhook':
      return { ...common, type: raw.type, url: raw.url, secretFile: resolve(folder, raw['secret-file']) };
    case 'matrix': {
      const { type, room } = raw;
      const accessTokenFile = resolve(folder, raw['access-token-file']);
      const homeserver = raw.homeserver.replace(/\/+$/, '');
      return { ...common, type, homeserver, room, accessTokenFile, ...templateOf(raw, folder) };
    }
    case 'mqtt': {
      const { type, url, username, 'password-file': password, 'ca-file': ca } = raw;
      return {
        ...{ ...common, type, url, topicPrefix: raw['topic-prefix'] ?? `atomic-nightly/${product}` },
        ...(username === undefined ? {} : { username }),
        ...(password === undefined ? {} : { passwordFile: resolve(folder, password) }),
        ...(ca === undefined ? {} : { caFile: resolve(folder, ca) }),
      };
    }
  }
}

function templateOf({ template: own }: { readonly template?: string | undefined }, folder: string) {
  return own === undefined ? {} : { template: resolve(folder, own) };
}

/** Its own name, or its type with a number from the second of that type on. */
function sinkName(all: readonly RawNotify[], index: number): string {
  const one = all[index];
  if (one?.name !== undefined) return one.name;
  const type = one?.type ?? '';
  const count = all.slice(0, index + 1).filter((other) => other.type === type && other.name === undefined).length;
  return count < 2 ? type : `${type}-${count}`;
}

/** What is wrong with the sinks that depends on more than one value, or on the files named. */
export function checkNotify(
  sinks: Readonly<Record<string, RawNotify>>,
  streamNames: readonly string[],
  folder: string,
): { path: KeyPath; message: string }[] {
  const all = Object.values(sinks);
  const names = all.map((_, index) => sinkName(all, index));
  return Object.entries(sinks).flatMap(([at, sink], index) => {
    const breaches: { path: KeyPath; message: string }[] = [];
    const add = (path: KeyPath, message: string) => breaches.push({ path: ['notify', Number(at), ...path], message });
    if (names.indexOf(names[index] ?? '') < index) add(['name'], `"${names[index]}" is the name of another sink.`);
    for (const [place, stream] of (sink.streams ?? []).entries()) {
      if (streamNames.includes(stream)) continue;
      const guess = didYouMean(stream, streamNames);
      add(['streams', place], `there is no stream "${stream}".${guess || ` Streams here: ${streamNames.join(', ')}.`}`);
    }
    if ('template' in sink && sink.template !== undefined && !existsSync(resolve(folder, sink.template))) {
      add(['template'], `there is no file ${resolve(folder, sink.template)}.`);
    }
    return breaches;
  });
}
