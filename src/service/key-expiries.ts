import { NightlyError } from '../base/errors.ts';
import { quietTask } from '../base/task.ts';
import type { Config } from '../config/config.ts';
import { configuredKeys, inspectKey } from '../signing/inventory.ts';

/** When a signing key expires, in seconds since the epoch. */
export interface KeyExpiry {
  readonly fingerprint: string;
  readonly seconds: number;
}

/** Keys that never expire, and such as cannot be read now, are left out; `doctor` reports those. */
export async function keyExpiries(config: Config): Promise<KeyExpiry[]> {
  const found = await Promise.all(configuredKeys(config).map((key) => inspectKey(key.config, quietTask())));
  return found.flatMap((key) =>
    key instanceof NightlyError || !key.expires
      ? []
      : [{ fingerprint: key.fingerprint, seconds: key.expires.getTime() / 1000 }],
  );
}
