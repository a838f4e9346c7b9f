import { sha256 } from '../../base/files.ts';
import type { LogEntry } from '../../published/log-entry.ts';
import { keyPath } from '../../published/paths.ts';
import { readKeyInfo } from '../../signing/key-info.ts';

/**
 * Returns what the log says of the keys of a stream that people are given. During a rotation (docs/signing.md) the keys that the
 * configuration names after the first come next.
 * @param all public keys, binary, as their file has them @param first those of the first signer
 */
export async function keyEntry(stream: string, all: Uint8Array, first: Uint8Array): Promise<LogEntry> {
  const path = keyPath(stream);
  const fingerprints = async (keys: Uint8Array) =>
    (await readKeyInfo(keys, path)).map(({ fingerprint }) => fingerprint);
  const current = await fingerprints(first);
  const next = (await fingerprints(all)).filter((one) => !current.includes(one));
  const file = { path, sha256: sha256(all), size: all.length };
  return { kind: 'key', use: 'openpgp', stream, current, next, file };
}
