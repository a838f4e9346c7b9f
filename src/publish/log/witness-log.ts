import { readFile } from 'node:fs/promises';
import { NightlyError } from '../../base/errors.ts';
import { ifThere } from '../../base/files.ts';
import type { Task } from '../../base/task.ts';
import type { LogConfig } from '../../config/config.ts';
import { proveConsistency } from '../../log/consistency.ts';
import type { NoteKey } from '../../log/note-keys.ts';
import { isQuorum, type Policy, parsePolicy } from '../../log/policy.ts';
import { CHECKPOINT_PATH } from '../../published/paths.ts';
import type { Target } from '../../targets/target.ts';
import { type Cosigned, collectCosignatures } from '../../witness/collect-cosignatures.ts';
import { type LogHead, logHead, logPlace, openLog, readLogHead } from './log-files.ts';

/** Others may append between the answers of the witnesses and the swap, but not again and again. */
const TRIES = 5;

/** Reads the policy that a configuration names. @throws NightlyError `config`, `log`. */
export async function readPolicy({ policy }: Pick<LogConfig, 'policy'>): Promise<Policy | undefined> {
  if (policy === undefined) return undefined;
  const content = await ifThere(readFile(policy));
  if (content !== undefined) return parsePolicy(content, { file: policy });
  throw new NightlyError('config', `The policy of the log ${policy} is not there.`, {
    hint: 'Correct its path under "log" in the configuration, or put the file there: docs/release-log.md.',
  });
}

export interface Witnessing {
  readonly home: Target;
  readonly key: NoteKey;
  readonly policy: Policy;
  readonly witnesses: LogConfig['witnesses'];
}

/**
 * Has the witnesses of a policy cosign the checkpoint of a log, and puts their signatures to it. They are asked only for what the home
 * has: a tree that was never published must not be the one that they hold on to.
 * @param before entries of the log when they were asked last
 * @returns the log with all the cosignatures there are
 * @throws NightlyError `unwitnessed` when there are not enough and they are required; `target-moved`, `locked`.
 */
export async function witnessLog(
  first: LogHead,
  { home, key, policy, witnesses }: Witnessing,
  before: number,
  task: Task,
): Promise<LogHead> {
  const keys = { log: key, witnesses: policy.witnesses.map((one) => one.key) };
  let head = first;
  for (let tries = 1; ; tries += 1) {
    const { note } = head;
    if (note === undefined) return head;
    const known = logHead(note, keys, home);
    if (policy.quorum.kind !== 'none' && isQuorum(policy.quorum, known.checkpoint.cosigned)) return known;
    const { size } = head.checkpoint;
    let tree: ReturnType<typeof openLog> | undefined;
    const prove = async (older: number) => {
      tree ??= openLog(home, head, task);
      return proveConsistency((await tree).nodeOf, older, size);
    };
    const asked = { checkpoint: note.toString(), log: key, policy, prove, before, signal: task.signal };
    const answer = await collectCosignatures(asked, logPlace(home));
    const cosigned = Buffer.from(answer.checkpoint);
    try {
      if (!cosigned.equals(note)) {
        const expect = [{ path: CHECKPOINT_PATH, content: note }];
        await home.swap({ expect, put: [{ path: CHECKPOINT_PATH, content: cosigned }] }, task);
      }
    } catch (error) {
      const passing = error instanceof NightlyError && ['target-moved', 'locked'].includes(error.code);
      if (!passing || tries === TRIES) throw error;
      head = await readLogHead(home, { log: key }, task);
      continue;
    }
    report(answer, witnesses, task);
    return logHead(cosigned, keys, home);
  }
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
