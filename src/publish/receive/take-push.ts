import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { NightlyError } from '../../base/errors.ts';
import type { Task } from '../../base/task.ts';
import type { PusherConfig } from '../../config/receive.ts';
import { syncFileSystem } from '../../programs/sync.ts';
import type { Signer } from '../../signing/signer.ts';
import type { VerifyKeys } from '../../signing/verify-keys.ts';
import type { Target } from '../../targets/target.ts';
import {
  type Accepted,
  type FarState,
  type Hello,
  ID_BYTES,
  MESSAGES,
  parseId,
  readMessage,
} from '../push/push-protocol.ts';
import { admit } from './admit.ts';
import { type CheckedRef, checkCommit } from './check-commit.ts';
import { askHook } from './hook.ts';
import { requireQuota } from './push-quota.ts';
import type { Progress, Pusher } from './pusher.ts';
import { openStaging } from './staging.ts';
import { takeObjects } from './take-objects.ts';

/** A push that may be sent. */
export interface AllowedPush {
  readonly config: PusherConfig;
  readonly hello: Hello;
  /** What the pusher was told of its refs. */
  readonly state: FarState['refs'];
  /** The folder that holds `repo/`, and the same as a target. */
  readonly root: string;
  readonly target: Target;
}

/**
 * Takes the objects of a push, looks at them, and makes them part of the repository.
 * @throws NightlyError with the reason of a refusal, EndedEarly when the pusher went away.
 */
export async function takePush(
  { config, hello, state, root, target }: AllowedPush,
  { reader, tell, send }: Pusher,
  progress: Progress,
  task: Task,
): Promise<Accepted> {
  const keys = await keysOf(config);
  const announced = await announcement(root, { reader, tell, send });
  await requireQuota(announced.bytes, root, config);
  const staging = await openStaging(root);
  try {
    const taken = await takeObjects(reader, announced, staging.repo, task);
    await readMessage(reader, MESSAGES.end);
    progress.bytes = announced.bytes;
    // On their way to the disk while they are looked at.
    const durable = syncFileSystem(staging.repo, task);
    durable.catch(() => undefined);
    const places = { staging: staging.repo, taken, repo: join(root, 'repo') };
    const refs: CheckedRef[] = [];
    for (const [index, { ref, commit, tag }] of hello.refs.entries()) {
      const { at, base } = state[index] ?? {};
      const rules = { forceOlder: hello.older, keys };
      refs.push(await checkCommit({ ref, commit, isTag: tag }, { at, base }, places, rules, task));
    }
    refuseStrangers(taken, refs);
    if (config.hook) {
      const words = await askHook({ command: config.hook, name: config.name, repo: staging.repo, refs }, task);
      if (words !== '') tell({ say: words });
    }
    const signer = await signerOf(config);
    if (signer) await signCommits(refs, staging.repo, signer, task);
    await durable;
    const { keep } = hello;
    const more = { ...(signer && { signer }), ...(keep === undefined ? {} : { pruneTo: keep }) };
    await admit({ config, root, target, staging: staging.repo, refs, bytes: announced.bytes, ...more }, task);
    if (hello.deltas) await makeDeltas(refs, places.repo, task);
    return {
      refs: refs.map(({ ref, from, commit }) => ({ ref, ...(from === undefined ? {} : { from }), to: commit })),
      ...(config.url === undefined ? {} : { url: config.url }),
    };
  } finally {
    await staging.remove();
  }
}

/** Most that follows is loaded for those who have use for it. */
async function keysOf({ verifyKeys }: PusherConfig): Promise<VerifyKeys | undefined> {
  if (verifyKeys.length === 0) return undefined;
  const { readVerifyKeys } = await import('../../signing/verify-keys.ts');
  return readVerifyKeys(verifyKeys);
}

async function signerOf({ sign }: PusherConfig): Promise<Signer | undefined> {
  if (!sign) return undefined;
  const { jointSigner, openSigner } = await import('../../signing/open-signer.ts');
  return jointSigner(sign.map(openSigner));
}

async function signCommits(refs: readonly CheckedRef[], repo: string, signer: Signer, task: Task): Promise<void> {
  const { signCommit } = await import('../sign-commit.ts');
  for (const commit of new Set(refs.map((one) => one.commit))) await signCommit(repo, commit, signer, task);
}

/** Returns what the push is about to send, after saying what of it is there if it asks. */
async function announcement(root: string, { reader, tell, send }: Pusher): Promise<{ objects: number; bytes: number }> {
  const first = await readMessage(reader, MESSAGES.fromPusher);
  if ('objects' in first) return first;
  const bits = Buffer.alloc(Math.ceil(first.ask / 8));
  for (let index = 0; index < first.ask; index += 1) {
    const { path } = parseId(await reader.bytes(ID_BYTES));
    if (existsSync(join(root, 'repo', path))) bits[index >> 3] = (bits[index >> 3] ?? 0) | (1 << (index & 7));
  }
  tell({ have: first.ask });
  send(bits);
  const next = await readMessage(reader, MESSAGES.fromPusher);
  if ('objects' in next) return next;
  throw new NightlyError('unsupported', 'The push asks twice what is there.', {
    hint: 'Use the same version of atomic-nightly on both sides.',
  });
}

/** Whatever no commit of the push needs would stay for ever. */
function refuseStrangers(taken: ReadonlySet<string>, refs: readonly CheckedRef[]): void {
  const known = new Set(refs.flatMap(({ fresh }) => fresh));
  const commits = new Set(refs.map(({ commit }) => commit));
  for (const path of taken) {
    if (known.has(path)) continue;
    const [, first = '', rest = ''] = /^objects\/(..)\/(\w+)\.commit(?:meta)?$/.exec(path) ?? [];
    if (commits.has(first + rest)) continue;
    throw new NightlyError('ostree', `${path} was sent, and none of the commits needs it.`, {
      hint: 'Use the same version of atomic-nightly on both sides.',
    });
  }
}

async function makeDeltas(refs: readonly CheckedRef[], repo: string, task: Task): Promise<void> {
  const { generateDelta, indexDeltas } = await import('../../programs/ostree.ts');
  for (const { from, commit } of refs) {
    if (from === commit) continue;
    await generateDelta({ repo, to: commit, from }, task);
    await indexDeltas(repo, commit, task);
  }
}
