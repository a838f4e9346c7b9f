import { NightlyError } from '../../base/errors.ts';
import { readNamed } from '../../base/files.ts';
import type { Task } from '../../base/task.ts';
import type { LogConfig } from '../../config/config.ts';
import { proveConsistency } from '../../log/consistency.ts';
import type { NoteKey } from '../../log/note-keys.ts';
import { isQuorum, type Policy, parsePolicy } from '../../log/policy.ts';
import { CHECKPOINT_PATH } from '../../published/paths.ts';
import type { Signer } from '../../signing/signer.ts';
import type { Target } from '../../targets/target.ts';
import { type Cosigned, collectCosignatures } from '../../witness/collect-cosignatures.ts';
import { type LogHead, logHead, logPlace, openLog, readLogHead } from './log-files.ts';
import { signedWithOpenpgp } from './sign-openpgp.ts';

/** Others may append between the answers of the witnesses and the swap, but not again and again. */
const TRIES = 5;

/** Reads the policy that a configuration names. @throws NightlyError `config`, `log`. */
export async function readPolicy({ policy }: Pick<LogConfig, 'policy'>): Promise<Policy | undefined> {
  if (policy === undefined) return undefined;
  const content = await readNamed(policy);
  if (content !== undefined) return parsePolicy(content, { file: policy });
  throw new NightlyError('config', `The policy of the log ${policy} is not there.`, {
    hint: 'Correct its path under "log" in the configuration, or put the file there: docs/release-log.md.',
  });
}

export interface Witnessing {
  readonly home: Target;
  readonly key: NoteKey;
  /** Undefined where nobody witnesses it. */
  readonly policy: Policy | undefined;
  readonly witnesses: LogConfig['witnesses'];
  /** One for each OpenPGP key that signs it as well. */
  readonly signers: readonly Signer[];
}

/**
 * Has the witnesses of a policy cosign the checkpoint of a log, and OpenPGP keys sign it, and puts their signatures to it. They are asked
 * only for what the home has: a tree that was never published must not be the one that they hold on to.
 * @param before entries of the log when they were asked last
 * @returns the log with all the signatures there are
 * @throws NightlyError `unwitnessed` when there are not enough witnesses and they are required; `signing`, `target-moved`, `locked`.
 */
export async function witnessLog(
  first: LogHead,
  { home, key, policy, witnesses, signers }: Witnessing,
  before: number,
  task: Task,
): Promise<LogHead> {
  const keys = { log: key, witnesses: (policy?.witnesses ?? []).map((one) => one.key) };
  let head = first;
  for (let tries = 1; ; tries += 1) {
    const { note } = head;
    if (note === undefined) return head;
    const { cosigned } = logHead(note, keys, home).checkpoint;
    const isEnough = policy === undefined || (policy.quorum.kind !== 'none' && isQuorum(policy.quorum, cosigned));
    const answer = isEnough ? undefined : await askWitnesses({ head, note }, { home, key, policy }, before, task);
    const witnessed = answer ? Buffer.from(answer.checkpoint) : note;
    const signed = await signedWithOpenpgp(witnessed, { name: key.name, signers }, task);
    try {
      if (!signed.equals(note)) {
        const expect = [{ path: CHECKPOINT_PATH, content: note }];
        await home.swap({ expect, put: [{ path: CHECKPOINT_PATH, content: signed }] }, task);
      }
    } catch (error) {
      const passing = error instanceof NightlyError && ['target-moved', 'locked'].includes(error.code);
      if (!passing || tries === TRIES) throw error;
      head = await readLogHead(home, { log: key }, task);
      continue;
    }
    if (answer) report(answer, witnesses, task);
    return logHead(signed, keys, home);
  }
}

function askWitnesses(
  { head, note }: { readonly head: LogHead; readonly note: Buffer },
  { home, key, policy }: { readonly home: Target; readonly key: NoteKey; readonly policy: Policy },
  before: number,
  task: Task,
): Promise<Cosigned> {
  const { size } = head.checkpoint;
  let tree: ReturnType<typeof openLog> | undefined;
  const prove = async (older: number) => {
    tree ??= openLog(home, head, task);
    return proveConsistency((await tree).nodeOf, older, size);
  };
  const asked = { checkpoint: note.toString(), log: key, policy, prove, before, signal: task.signal };
  return collectCosignatures(asked, logPlace(home));
}

function report({ missing, isQuorum: isEnough }: Cosigned, witnesses: LogConfig['witnesses'], task: Task): void {
  const lines = missing.map(({ witness, why }) => `Witness ${witness.name} has not cosigned the log: ${why}.`);
  if (isEnough || witnesses === 'optional') {
    for (const line of lines) task.say(line);
    return;
  }
  throw new NightlyError('unwitnessed', ['Too few witnesses have cosigned the log.', ...lines].join('\n'), {
    hint: 'Nothing of it is visible yet. Once they answer, "atomic-nightly resume" completes a build; other commands are run again. "witnesses: optional" under "log" would only warn.',
  });
}
