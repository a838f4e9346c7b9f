import { systemCa } from '../base/certificates.ts';
import { NightlyError } from '../base/errors.ts';
import { readTextIfExists } from '../base/files.ts';
import { type FilePurpose, readPublicFile, readSecretText } from '../base/secret-file.ts';
import type { Config } from '../config/config.ts';
import { BUS_FILES, readBusFile } from '../content/bus/bus-files.ts';
import { readLogo } from '../reports/pages/brand.ts';
import { lockHolder } from '../run/lock-holder.ts';
import type { LockHolder } from '../run/run-lock.ts';
import type { ContentService, ContentStatus } from './content/content-service.ts';
import { type KeyExpiry, keyExpiries } from './key-expiries.ts';
import type { Problem } from './problem.ts';
import { unreadiness } from './readiness.ts';
import type { Service } from './service.ts';
import { standingProblems } from './status.ts';

/** Files of root's that the listening part needs: to know who may ask for a build, to log in at a broker, to show a logo. */
export const LISTENER_FILES = [
  'trigger-tokens',
  'mqtt-users',
  'mqtt-password',
  'mqtt-ca',
  ...BUS_FILES,
  'logo',
] as const;
export type ListenerFile = (typeof LISTENER_FILES)[number];

/**
 * All that the listening part (HTTP, MQTT) may ask of the part that runs nightly builds. Where the two are processes of
 * different users, this is what passes between them, and nothing else does (listener/messages.ts).
 */
export interface ServiceControl {
  /** Nightly builds that wait to begin or to be tried again, and those under way. */
  jobs(): { readonly waiting: number; readonly active: number };
  /** No nightly build begins any more. */
  draining(): boolean;
  /** When nightly builds will begin, the next first. */
  nextRuns(): readonly { readonly stream: string; readonly at: Date }[];
  /** Who has the run lock. */
  holder(): Promise<LockHolder | undefined>;
  /**
   * Asks for a nightly build of a stream. @param from who asks, for the log @returns when it will begin
   * @throws NightlyError `usage` for a stream that has none, `interrupted` while the service stops.
   */
  trigger(stream: string, from: string): Promise<Date>;
  /** What the content part does now; undefined where no content is configured. */
  content(): ContentStatus | undefined;
  /** Passes on that a message named a tag. */
  heard(tag: string): void;
  /**
   * Asks for a tag to be processed again. @param from who asks, for the log
   * @throws NightlyError `usage` for a tag that no rule is for, `interrupted` while the service stops.
   */
  askContent(tag: string, from: string): Promise<void>;
  /** What keeps the service from doing its work, a sentence each. */
  unreadiness(): Promise<readonly string[]>;
  keyExpiries(): Promise<readonly KeyExpiry[]>;
  /** What is wrong beside builds. */
  standingProblems(): Promise<readonly Problem[]>;
  /**
   * Reads a file that the configuration names, the logo as base64; undefined when it names none, or there is no list of users
   * or tokens.
   * @throws NightlyError `config` when it cannot be used.
   */
  read(file: ListenerFile): Promise<string | undefined>;
}

const MQTT_PASSWORD: FilePurpose = {
  what: 'MQTT password file',
  code: 'config',
  exposed: 'choose a new password',
  missing: 'Correct "service.mqtt.password-file" in the configuration, or put the file there.',
};
const MQTT_CA: Omit<FilePurpose, 'exposed'> = {
  what: 'file of certificates to trust',
  code: 'config',
  missing: 'Correct "service.mqtt.ca-file" in the configuration, or put the file there.',
};

/** Returns the control of a service in this process. */
export function localControl(config: Config, service: Service, content?: ContentService): ServiceControl {
  return {
    jobs() {
      const jobs = service.jobs();
      const active = jobs.filter(({ attempt }) => attempt).length;
      return { active, waiting: jobs.length - active };
    },
    draining: service.draining,
    nextRuns: service.nextRuns,
    holder: () => lockHolder(config.work),
    trigger: service.trigger,
    content: () => content?.status(),
    heard: (tag) => content?.heard(tag),
    async askContent(tag, from) {
      if (content) return content.ask(tag, from);
      throw new NightlyError('usage', 'The configuration has no "content".', {
        hint: 'docs/content.md says how to set it up.',
      });
    },
    unreadiness: () => unreadiness(config, service),
    keyExpiries: () => keyExpiries(config),
    standingProblems: () => standingProblems(config),
    read: (file) => readListenerFile(config, file),
  };
}

async function readListenerFile({ service, content, pages }: Config, file: ListenerFile): Promise<string | undefined> {
  const { mqtt, tokenHashFile } = service;
  const ifNamed = async (path: string | undefined, read: (path: string) => Promise<string | undefined>) =>
    path === undefined ? undefined : await read(path);
  switch (file) {
    case 'trigger-tokens':
      return ifNamed(tokenHashFile, readTextIfExists);
    case 'mqtt-users':
      return ifNamed(mqtt?.type === 'embedded' ? mqtt.passwordFile : undefined, readTextIfExists);
    case 'mqtt-password':
      return ifNamed(mqtt?.type === 'external' ? mqtt.passwordFile : undefined, (path) =>
        readSecretText(path, MQTT_PASSWORD),
      );
    case 'mqtt-ca':
      return mqtt?.type === 'external' && mqtt.caFile !== undefined
        ? (await readPublicFile(mqtt.caFile, MQTT_CA)).toString('utf8')
        : systemCa()?.toString('utf8');
    case 'koji-bus-password':
    case 'koji-bus-key':
    case 'koji-bus-ca':
    case 'koji-bus-cert':
      return readBusFile(content?.messages, file);
    case 'logo':
      return ifNamed(pages?.logo, async (path) => (await readLogo(path)).content.toString('base64'));
  }
}
