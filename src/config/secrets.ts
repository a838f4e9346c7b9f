import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { keepSecret } from '../base/redact.ts';
import type { Config, NotifyConfig, PassphraseSource } from './config.ts';

/**
 * Reads the secrets that a configuration names, and those of the AWS programs' environment and files, only to keep them
 * out of whatever is written. One that cannot be read is reported by the part that needs it.
 */
export async function learnSecrets(config: Config): Promise<void> {
  const texts = await Promise.all(secretFiles(config).map((path) => readFile(path, 'utf8').catch(() => '')));
  for (const text of texts) keepSecret(text.trim());
  for (const name of secretVariables(config)) keepSecret(process.env[name] ?? '');
  const path = process.env['AWS_SHARED_CREDENTIALS_FILE'] ?? join(homedir(), '.aws', 'credentials');
  const aws = await readFile(path, 'utf8').catch(() => '');
  for (const [, value = ''] of aws.matchAll(/^\s*aws_(?:secret_access_key|session_token)\s*=\s*(\S+)/gim))
    keepSecret(value);
}

function secretFiles(config: Config): string[] {
  const folder = process.env['CREDENTIALS_DIRECTORY'];
  const paths = [
    ...passphrases(config).map((source) => {
      if ('file' in source) return source.file;
      return 'credential' in source && folder !== undefined ? join(folder, source.credential) : undefined;
    }),
    ...Object.values(config.targets).map((target) => (target.type === 'rsync' ? target.passwordFile : undefined)),
    ...Object.values(config.streams).map(({ release }) => release?.to?.mail?.smtp?.passwordFile),
    ...config.notify.map(sinkSecretFile),
    logKeyFile(config, folder),
    config.service.mqtt?.type === 'external' ? config.service.mqtt.passwordFile : undefined,
    config.content?.messages?.passwordFile,
  ];
  return paths.filter((path) => path !== undefined);
}

function logKeyFile({ log }: Config, credentials: string | undefined): string | undefined {
  if (log === undefined) return undefined;
  if ('file' in log.key) return log.key.file;
  return credentials === undefined ? undefined : join(credentials, log.key.credential);
}

/** The file with what a sink logs in or signs with. */
export function sinkSecretFile(sink: NotifyConfig): string | undefined {
  switch (sink.type) {
    case 'mail':
      return sink.smtp.passwordFile;
    case 'webhook':
      return sink.secretFile;
    case 'matrix':
      return sink.accessTokenFile;
    case 'mqtt':
      return sink.passwordFile;
  }
}

function secretVariables(config: Config): string[] {
  const named = passphrases(config).flatMap((source) => ('env' in source ? [source.env] : []));
  return [...named, 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN'];
}

function passphrases(config: Config): PassphraseSource[] {
  const keys = Object.values(config.streams).flatMap(({ signing = [], attestations }) => [
    ...signing,
    attestations?.statement?.key,
  ]);
  const keysOfOthers = [
    ...Object.values(config.content?.keys ?? {}),
    config.builders?.statement?.key,
    config.builders?.publish?.signing,
    ...(config.log?.signing ?? []),
  ];
  return [...keys, ...keysOfOthers].flatMap((key) =>
    key && 'passphrase' in key && key.passphrase ? [key.passphrase] : [],
  );
}
