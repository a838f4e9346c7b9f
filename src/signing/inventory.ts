import { NightlyError } from '../base/errors.ts';
import type { Task } from '../base/task.ts';
import type { Config, SigningConfig } from '../config/config.ts';
import { targetUses } from '../config/lookup.ts';
import { expiryWarning, type KeyInfo, readKeyInfo } from './key-info.ts';
import { openSigner } from './open-signer.ts';
import type { Signer } from './signer.ts';

/** A key that a configuration signs with, and who uses it. */
export interface ConfiguredKey {
  readonly config: SigningConfig;
  readonly streams: readonly string[];
  /** Targets of those streams and of their releases, each once. */
  readonly targets: readonly string[];
  /** Names that `content.keys` has for it. */
  readonly content: readonly string[];
  /** Whether checkpoints of the release log are signed with it. */
  readonly log: boolean;
}

/** Returns the keys of all streams, of content and of the log, in that order; one that is named several times is there once. */
export function configuredKeys({ streams, content, log }: Config): ConfiguredKey[] {
  const found = new Map<string, ConfiguredKey>();
  for (const stream of Object.values(streams)) {
    const { name, signing } = stream;
    for (const config of signing ?? []) {
      const id = JSON.stringify(config);
      const before = found.get(id);
      found.set(id, {
        config,
        streams: [...(before?.streams ?? []), name],
        targets: [...new Set([...(before?.targets ?? []), ...targetUses(stream).keys()])],
        content: [],
        log: false,
      });
    }
  }
  for (const [name, config] of Object.entries(content?.keys ?? {})) {
    const id = JSON.stringify(config);
    const { streams: users = [], targets = [], content: names = [] } = found.get(id) ?? {};
    found.set(id, { config, streams: users, targets, content: [...names, name], log: false });
  }
  for (const config of log?.signing ?? []) {
    const id = JSON.stringify(config);
    found.set(id, { config, streams: [], targets: [], content: [], ...found.get(id), log: true });
  }
  return [...found.values()];
}

/** Returns the public half of a configured key, or why it cannot be had. @throws NightlyError `interrupted`. */
export async function inspectKey(config: SigningConfig, task: Task): Promise<KeyInfo | NightlyError> {
  try {
    const [info] = await readKeyInfo(await openSigner(config).publicKey(task), placeOf(config));
    return info ?? new NightlyError('signing', `${placeOf(config)} holds no key.`);
  } catch (error) {
    task.signal.throwIfAborted();
    if (error instanceof NightlyError) return error;
    throw error;
  }
}

/** Returns where a configured key is, for people. */
export function placeOf(config: SigningConfig): string {
  switch (config.type) {
    case 'gpg-agent':
      return config.home === undefined ? `key ${config.key}` : `key ${config.key} in ${config.home}`;
    case 'openpgp':
      return config.keyFile;
    case 'command':
      return config.publicKeyFile;
  }
}

/** Says of each key that expires within 60 days when it does. @returns all keys of the signer. */
export async function reportExpiry(signer: Signer, task: Task): Promise<KeyInfo[]> {
  const keys = await readKeyInfo(await signer.publicKey(task), 'the public key of the signer');
  for (const key of keys) {
    const warning = expiryWarning(key);
    if (warning !== undefined) task.say(`warning: ${warning}`);
  }
  return keys;
}
