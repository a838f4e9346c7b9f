import { systemCa } from '../base/certificates.ts';
import { readTextIfExists } from '../base/files.ts';
import { type FilePurpose, readPublicFile, readSecretText } from '../base/secret-file.ts';
import type { Config } from '../config/config.ts';
import { lockHolder } from '../run/lock-holder.ts';
import type { LockHolder } from '../run/run-lock.ts';
import { type KeyExpiry, keyExpiries } from './key-expiries.ts';
import { unreadiness } from './readiness.ts';
import type { Service } from './service.ts';

/** Files of root's that the listening part needs: to know who may ask for a build, and to log in at a broker. */
export const LISTENER_FILES = ['trigger-tokens', 'mqtt-users', 'mqtt-password', 'mqtt-ca'] as const;
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
  /** What keeps the service from doing its work, a sentence each. */
  unreadiness(): Promise<readonly string[]>;
  keyExpiries(): Promise<readonly KeyExpiry[]>;
  /**
   * Reads a file that the configuration names; undefined when it names none, or there is no list of users or tokens.
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
export function localControl(config: Config, service: Service): ServiceControl {
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
    unreadiness: () => unreadiness(config, service),
    keyExpiries: () => keyExpiries(config),
    read: (file) => readListenerFile(config, file),
  };
}

async function readListenerFile({ service }: Config, file: ListenerFile): Promise<string | undefined> {
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
  }
}
