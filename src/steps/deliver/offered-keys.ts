import type { Task } from '../../base/task.ts';
import type { Config } from '../../config/config.ts';
import { swapWithRetry } from '../../publish/swap-with-retry.ts';
import { keyPath } from '../../published/paths.ts';
import { jointSigner } from '../../signing/open-signer.ts';
import { contentEquals } from '../../targets/expect.ts';
import type { Target } from '../../targets/target.ts';
import { keyEntry } from '../log/key-entry.ts';
import { logBefore } from '../log/log-before.ts';
import type { SigningStream } from './signing-stream.ts';

/** A public key that a target offers to users, and that is not what the stream signs with. */
export interface OldKey {
  readonly stream: string;
  /** Public keys of all that the stream signs with: what should be there. */
  readonly content: Uint8Array;
  /** The first of them alone. */
  readonly first: Uint8Array;
}

/** Finds them: after a rotation the pages of the next build would put them right, which may be weeks away. @throws NightlyError `signing` */
export async function findOldKeys(streams: readonly SigningStream[], target: Target, task: Task): Promise<OldKey[]> {
  const there = await target.readMany(
    streams.map(({ stream }) => keyPath(stream.name)),
    task,
  );
  const found: OldKey[] = [];
  for (const [at, { stream, signers }] of streams.entries()) {
    const [offered, [signer]] = [there[at], signers];
    // A stream that has published nothing here yet.
    if (offered === undefined || signer === undefined) continue;
    const content = await jointSigner(signers).publicKey(task);
    if (!contentEquals(offered, content))
      found.push({ stream: stream.name, content, first: await signer.publicKey(task) });
  }
  return found;
}

/** Puts what the streams sign with in their place; the release log has it before (I17). */
export async function offerKeys(keys: readonly OldKey[], config: Config, target: Target, task: Task): Promise<void> {
  if (keys.length === 0) return;
  const entries = await Promise.all(keys.map(({ stream, content, first }) => keyEntry(stream, content, first)));
  if (config.log) await logBefore(config, entries, target, task);
  const put = keys.map(({ stream, content }) => ({ path: keyPath(stream), content }));
  await swapWithRetry(async () => ({ expect: [], put }), target, task);
}
