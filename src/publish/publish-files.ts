import { z } from 'zod';
import { formatBytes } from '../base/format.ts';
import { armoredSignature } from '../base/openpgp-packets.ts';
import type { RecordFormat } from '../base/read-record.ts';
import type { Task } from '../base/task.ts';
import { signatureName } from '../published/paths.ts';
import { readTargetRecord } from '../published/target-record.ts';
import type { Signer } from '../signing/signer.ts';
import { contentEquals } from '../targets/expect.ts';
import type { SwapRequest, Target } from '../targets/target.ts';
import { swapWithRetry } from './swap-with-retry.ts';

/**
 * Sends files of a build that keep their path relative to `root`: first the large ones, which change only where an image was
 * made anew because its type changed, then the small records, which a later attempt at the build may write again.
 */
export async function publishFiles(
  root: string,
  files: { readonly fixed: readonly string[]; readonly records: readonly string[] },
  target: Target,
  task: Task,
): Promise<void> {
  const fixed = await target.send(root, files.fixed, { immutable: true, replace: true }, task);
  await target.send(root, files.records, { immutable: false }, task);
  task.say(`${files.fixed.length + files.records.length} files, ${formatBytes(fixed.bytes)} to ${target.describe()}`);
}

/**
 * Changes a record of a target by compare-and-swap, so that no other publisher's change is lost. `change` is given
 * undefined when there is no such file, and gives the same value back when there is nothing to change.
 * @param signer puts PATH.asc, a detached signature, right before the file: a reader who gets one of each pair is told by the
 *   mismatch to try again. One that is lost or over another content is made anew
 * @throws NightlyError `unsupported` when what is there is damaged, `target-moved` or `locked` when other publishers keep
 *   getting in between; `signing`.
 */
export async function updateRecord<Value>(
  { path, format }: { readonly path: string; readonly format: RecordFormat<Value> },
  change: (old: Value | undefined) => Value,
  target: Target,
  task: Task,
  signer?: Signer,
): Promise<void> {
  const signature = signatureName(path);
  const prepare = async (): Promise<SwapRequest | undefined> => {
    const [content, signed] = await target.readMany(signer ? [path, signature] : [path], task);
    const old = content && readTargetRecord(content, format, path, target);
    const next = change(old);
    const put = next === old ? [] : [{ path, content: Buffer.from(`${JSON.stringify(next, null, 2)}\n`) }];
    const expect = [{ path, content }];
    const bytes = put[0]?.content ?? content;
    if (signer && bytes) {
      const made = Buffer.from(armoredSignature(await signer.sign(bytes, task)));
      if (!contentEquals(signed, made)) put.unshift({ path: signature, content: made });
      expect.push({ path: signature, content: signed });
    }
    return put.length === 0 ? undefined : { expect, put };
  };
  await swapWithRetry(prepare, target, task);
}

/** As `updateRecord`, for JSON of any shape: `change` has to look for itself what it was given. */
export async function updateJson<Json>(
  path: string,
  change: (old: Json | undefined) => Json,
  target: Target,
  task: Task,
  signer?: Signer,
): Promise<void> {
  const format: RecordFormat<Json> = { schema: z.custom<Json>(), hint: 'Restore it from a backup.' };
  await updateRecord({ path, format }, change, target, task, signer);
}
