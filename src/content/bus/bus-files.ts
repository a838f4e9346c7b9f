import { systemCa } from '../../base/certificates.ts';
import { type FilePurpose, readPublicFile, readSecretText } from '../../base/secret-file.ts';
import type { HubMessagesConfig } from '../../config/hub-messages.ts';

/** Files that a login at a bus needs. */
export const BUS_FILES = ['koji-bus-password', 'koji-bus-ca', 'koji-bus-cert', 'koji-bus-key'] as const;
export type BusFile = (typeof BUS_FILES)[number];

const bus = (what: string, key: string): FilePurpose => ({
  what,
  code: 'config',
  exposed: 'have another one made',
  missing: `Correct "content.messages.${key}" in the configuration, or put the file there.`,
});
const PASSWORD = bus('password file of the message bus', 'password-file');
const KEY = bus('key of the client certificate', 'key-file');
const CA = bus('file of certificates to trust', 'ca-file');
const CERT = bus('client certificate', 'cert-file');

/** Reads a file that the configuration names; undefined when it names none. @throws NightlyError `config` when it cannot be used. */
export async function readBusFile(messages: HubMessagesConfig | undefined, file: BusFile): Promise<string | undefined> {
  const { passwordFile, keyFile, caFile, certFile } = messages ?? {};
  const readText = async (path: string, purpose: FilePurpose): Promise<string> =>
    (await readPublicFile(path, purpose)).toString('utf8');
  switch (file) {
    case 'koji-bus-password':
      return passwordFile === undefined ? undefined : readSecretText(passwordFile, PASSWORD);
    case 'koji-bus-key':
      return keyFile === undefined ? undefined : readSecretText(keyFile, KEY);
    case 'koji-bus-ca':
      return caFile === undefined ? systemCa()?.toString('utf8') : readText(caFile, CA);
    case 'koji-bus-cert':
      return certFile === undefined ? undefined : readText(certFile, CERT);
  }
}
