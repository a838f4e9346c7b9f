import { readFile } from 'node:fs/promises';
import pLimit from 'p-limit';
import { formatCount } from '../../base/format.ts';
import { dearmored, signaturePackets, signaturePacketsIn } from '../../base/openpgp-packets.ts';
import type { Task } from '../../base/task.ts';
import { INDEX_PATH } from '../../published/build-index.ts';
import { buildFolder, keyPath, recordPath, signatureName, sumsPath } from '../../published/paths.ts';
import { pointerPaths } from '../../published/stream-files.ts';
import { readKeyInfo } from '../../signing/key-info.ts';
import { findingsOf, isSignedByAnyKey } from '../../signing/verify-detached.ts';
import type { PublicFiles } from './public-http.ts';
import type { PublishedBuild } from './verify-builds.ts';
import { attempt, RECONCILE_HINT, type Report } from './verify-report.ts';

export interface SignaturesInspection {
  readonly files: PublicFiles;
  readonly streams: readonly {
    readonly name: string;
    readonly vagrantBox: string;
    readonly trust: { readonly gpgKeys: readonly string[]; readonly signedSummary: boolean };
  }[];
  readonly builds: readonly PublishedBuild[];
}

const PARALLEL = 8;

/**
 * Looks at the detached signatures beside records and pointers, with gpgv and the streams' public keys. Of an image's it is
 * checked that it is one: the image itself is vouched for by SHA256SUMS. Builds whose keys are no longer configured, or have
 * expired, are counted and left alone.
 */
export async function inspectSignatures(request: SignaturesInspection, report: Report, task: Task): Promise<void> {
  const streams = request.streams.filter(({ trust }) => trust.signedSummary);
  if (streams.length === 0) return;
  const keyring = await keyringOf(streams.flatMap(({ trust }) => trust.gpgKeys));
  const usable = (await readKeyInfo(keyring, 'the public keys')).filter(({ problem }) => problem === undefined);
  const known = new Set(usable.map(({ fingerprint }) => fingerprint));
  const signed = request.builds.filter(({ signedBy }) => signedBy.length > 0);
  const limit = pLimit(PARALLEL);
  const isOurs = async ({ id, arch, signedBy }: PublishedBuild): Promise<boolean> => {
    if (signedBy.some((key) => known.has(key))) return true;
    // A key that came later may have signed it as well, which its record does not say.
    const signature = await request.files.get(signatureName(sumsPath(id, arch)));
    return isSignedByAnyKey(keyring, signaturePacketsIn(signature), task);
  };
  const looked = await limit.map(signed, async (build) => ({ build, ours: await isOurs(build) }));
  const ours = looked.flatMap((one) => (one.ours ? [one.build] : []));
  await limit.map(ours, (build) => inspectBuild(request.files, build, keyring, report, task));
  const others = signed.length - ours.length;
  if (others > 0) report.ok('signatures', `${others} builds are by keys that are no longer in use, and not looked at`);
  for (const stream of streams) await inspectOfferedKey(request.files, stream, report, task);
  const pointers = streams.flatMap(pointerPaths);
  for (const path of new Set([INDEX_PATH, ...pointers])) {
    await attempt(report, `${path}, signature`, RECONCILE_HINT, task.signal, async () => {
      if (await isGood(request.files, path, keyring, task)) report.ok(`${path}, signature`, 'good');
    });
  }
}

/**
 * Looks at the public key that the target offers for a stream: it must be the stream's, and whoever has it alone must be able
 * to verify what leads to builds.
 */
async function inspectOfferedKey(
  files: PublicFiles,
  { name, trust }: SignaturesInspection['streams'][number],
  report: Report,
  task: Task,
): Promise<void> {
  const path = keyPath(name);
  const hint =
    'Find out who changed it if nobody rotated keys; "atomic-nightly publish --reconcile", and the next build, put the key there that the stream signs with.';
  await attempt(report, path, hint, task.signal, async () => {
    const offered = await files.get(path);
    if (!offered) return;
    const keyring = await keyringOf(trust.gpgKeys);
    const own = new Set((await readKeyInfo(keyring, 'the keys')).map((key) => key.fingerprint));
    const keys = await readKeyInfo(offered, path);
    if (!keys.some(({ fingerprint }) => own.has(fingerprint))) {
      throw new Error(
        `is ${keys.map(({ fingerprint }) => fingerprint).join(', ')}, none of the keys of stream "${name}"`,
      );
    }
    // A signature that is bad in itself is reported with its file.
    if (!(await isGood(files, INDEX_PATH, keyring, task).catch(() => false))) return;
    if (await isGood(files, INDEX_PATH, offered, task)) report.ok(path, `verifies ${INDEX_PATH}`);
  });
}

async function inspectBuild(
  files: PublicFiles,
  { id, arch, records, images }: PublishedBuild,
  keyring: Uint8Array,
  report: Report,
  task: Task,
): Promise<void> {
  const folder = buildFolder(id, arch);
  let good = 0;
  const check = (path: string, look: () => Promise<boolean>) =>
    attempt(
      report,
      `build ${id} ${arch}, ${signatureName(path.slice(folder.length + 1))}`,
      RECONCILE_HINT,
      task.signal,
      async () => {
        if (await look()) good += 1;
      },
    );
  for (const path of [recordPath(id, arch), sumsPath(id, arch), ...records]) {
    await check(path, () => isGood(files, path, keyring, task));
  }
  for (const path of images.keys()) await check(path, () => isThere(files, path));
  if (good > 0) report.ok(`build ${id} ${arch}, signatures`, formatCount(good, 'file'));
}

/** Whether the file is there; if so its signature is good. @throws Error when it is not. */
async function isGood(files: PublicFiles, path: string, keyring: Uint8Array, task: Task): Promise<boolean> {
  for (let tries = 1; ; tries += 1) {
    const signature = await files.get(signatureName(path));
    const what = await files.get(path);
    if (!what) return false;
    if (!signature) throw new Error('is not there');
    const findings = await findingsOf({ what, signature, publicKey: keyring }, task);
    if (findings.includes('good') && !findings.includes('bad')) return true;
    // Somebody may have published in between: the pair is put one right after the other.
    if (tries === 2) throw new Error(`gpgv does not accept it (${findings.join(', ') || 'no signature'})`);
  }
}

async function isThere(files: PublicFiles, path: string): Promise<boolean> {
  if ((await files.size(path)) === undefined) return false;
  const signature = await files.get(signatureName(path));
  if (!signature) throw new Error('is not there');
  signaturePackets(dearmored(signature));
  return true;
}

async function keyringOf(keyFiles: readonly string[]): Promise<Uint8Array> {
  const keys = await Promise.all([...new Set(keyFiles)].map(async (file) => dearmored(await readFile(file))));
  return new Uint8Array(Buffer.concat(keys));
}
