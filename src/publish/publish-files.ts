import { copyFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { NightlyError } from '../base/errors.ts';
import { makeFolder, withTemporaryFolder } from '../base/files.ts';
import { formatBytes, formatCount } from '../base/format.ts';
import { armoredSignature, signaturePacketsIn } from '../base/openpgp-packets.ts';
import { type RecordFormat, recordText } from '../base/read-record.ts';
import type { Task } from '../base/task.ts';
import { SUMS } from '../build/build-files.ts';
import { signatureName } from '../published/paths.ts';
import { NOT_SIGNED, type RecordSigning } from '../published/record-trust.ts';
import { parseSums, type Summed } from '../published/sha256sums.ts';
import { placeOn, readTargetRecord } from '../published/target-record.ts';
import { contentEquals } from '../targets/expect.ts';
import type { SwapRequest, Target } from '../targets/target.ts';
import { swapWithRetry } from './swap-with-retry.ts';

/**
 * Sends files of a build that keep their path relative to `root`: first the large ones, which never change, and of them those
 * that were made anew, then the small records, which a later attempt at the build may write again.
 * @param files `remade`: those of the fixed ones that may replace what the target has, from `remadeImages`
 * @throws NightlyError `target-differs` when the target has other bytes of any other fixed file.
 */
export async function publishFiles(
  root: string,
  files: {
    readonly fixed: readonly string[];
    readonly remade?: readonly string[];
    readonly records: readonly string[];
  },
  target: Target,
  task: Task,
): Promise<void> {
  const { fixed, remade = [], records } = files;
  const kept = fixed.filter((path) => !remade.includes(path));
  const sent = await target.send(root, kept, { immutable: true }, task);
  const replaced = await target.send(root, remade, { immutable: true, replace: true }, task);
  await sendAsTheyAre(root, records, target, task);
  const bytes = formatBytes(sent.bytes + replaced.bytes);
  task.say(`${formatCount(fixed.length + records.length, 'file')}, ${bytes} to ${target.describe()}`);
}

/** Sends copies of files, since logs and journals grow meanwhile: by steps that run side by side, and by the very step that sends them. */
async function sendAsTheyAre(root: string, paths: readonly string[], target: Target, task: Task): Promise<void> {
  await withTemporaryFolder(async (folder) => {
    for (const path of paths) {
      await makeFolder(join(folder, dirname(path)));
      await copyFile(join(root, path), join(folder, path));
    }
    await target.send(folder, paths, { immutable: false }, task);
  });
}

/**
 * Returns the images of a build that were made anew since a target got them, because their type changed: its SHA256SUMS, which is
 * sent behind them, has another digest or does not name them yet. One that it has with this digest is damaged there or here
 * if its bytes differ, and replaces nothing.
 * @param folder of the build on the target
 * @param made digests of what is sent, by path in that folder
 * @returns paths relative to the target's root
 */
export async function remadeImages(
  folder: string,
  made: readonly Summed[],
  target: Target,
  task: Task,
): Promise<string[]> {
  const images = made.filter(({ path }) => path.startsWith('images/'));
  const text = images.length === 0 ? undefined : await target.read(`${folder}/${SUMS}`, task);
  const there = new Map(sumsOrNothing(text, images).map(({ path, sha256 }) => [path, sha256]));
  return images.filter(({ path, sha256 }) => there.get(path) !== sha256).map(({ path }) => `${folder}/${path}`);
}

/** A list that cannot be read vouches for what is there: nothing is replaced. */
function sumsOrNothing(text: Uint8Array | undefined, images: readonly Summed[]): readonly Summed[] {
  try {
    return text === undefined ? [] : parseSums(new TextDecoder().decode(text));
  } catch (error) {
    if (!(error instanceof NightlyError)) throw error;
    return images;
  }
}

/**
 * Changes a record of a target by compare-and-swap, so that no other publisher's change is lost. `change` is given
 * undefined when there is no such file, and gives the same value back when there is nothing to change.
 * @param signing puts PATH.asc, a detached signature, right before the file: a reader who gets one of each pair is told by the
 *   mismatch to try again. One that is lost or over another content is made anew. What is there and nobody vouches for is never
 *   signed: `change` is given what `signing.anew` makes, and that takes its place (I12)
 * @throws NightlyError `unsupported` when what is there is damaged, or signed and nobody signs here; `target-moved` or `locked` when other publishers keep
 *   getting in between; `signing`.
 */
export async function updateRecord<Value>(
  { path, format }: { readonly path: string; readonly format: RecordFormat<Value> },
  change: (old: Value | undefined) => NoInfer<Value> | undefined,
  target: Target,
  task: Task,
  signing?: RecordSigning<Value>,
): Promise<void> {
  const signature = signatureName(path);
  const prepare = async (): Promise<SwapRequest | undefined> => {
    const [content, signed] = await target.readMany([path, signature], task);
    if (signed && !signing) throw signedThere(path, target);
    const isKnown = content && (!signing || (await signing.trust.vouches(path, content, signaturePacketsIn(signed))));
    if (content && !isKnown) task.say(`${placeOn(path, target)} is rewritten: ${NOT_SIGNED}`);
    const old = isKnown
      ? readTargetRecord(content, format, path, target)
      : content && signing && (await signing.anew(task));
    const next = change(old);
    const isSame = isKnown ? next === old : next === undefined;
    const put = isSame || next === undefined ? [] : [{ path, content: Buffer.from(recordText(next, format)) }];
    const expect = [{ path, content }];
    const bytes = put[0]?.content ?? (isKnown ? content : undefined);
    if (signing && bytes) {
      const made = Buffer.from(armoredSignature(await signing.signer.sign(bytes, task)));
      if (!contentEquals(signed, made)) put.unshift({ path: signature, content: made });
      expect.push({ path: signature, content: signed });
    }
    return put.length === 0 ? undefined : { expect, put };
  };
  await swapWithRetry(prepare, target, task);
}

function signedThere(path: string, target: Target): NightlyError {
  return new NightlyError('unsupported', `${placeOn(path, target)} is signed, and a new one from here would not be.`, {
    hint: `Add "signing" to the stream, or give it another target. If nothing there is to be signed any more, remove ${signatureName(path)} there.`,
  });
}
