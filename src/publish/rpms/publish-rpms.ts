import { readFile, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { NightlyError } from '../../base/errors.ts';
import { bytesIfThere, makeFolder, sha256 } from '../../base/files.ts';
import { formatCount } from '../../base/format.ts';
import { linkOrCopy } from '../../base/link-or-copy.ts';
import type { Task } from '../../base/task.ts';
import { formatEntry } from '../../published/log-entry.ts';
import { fetchBytes } from '../../rpm/download.ts';
import { localRepository, metadataFiles, REPOMD, readPackageDigests } from '../../rpm/repository/package-digests.ts';
import { REPOMD_SIGNATURE } from '../../rpm/repository/renew-metadata.ts';
import type { SmallFile, Target } from '../../targets/target.ts';
import type { LogGate } from '../log/logged.ts';
import { type NamedThere, notePublished, noteSending, readNamedThere, readPublishedNames } from './published-names.ts';
import { bridged } from './repomd-bridge.ts';

export interface PublishRequest {
  /** The local repository. */
  readonly repository: string;
  /** Where it is on the target, relative to its root. */
  readonly folder: string;
  /** A scratch folder, made anew and removed. */
  readonly dir: string;
  readonly log: LogGate;
  /**
   * Where is remembered what was published (published-names.ts), for a repository that packages leave again (retire-rpms.ts), and the
   * time in seconds since the epoch.
   */
  readonly memory?: { readonly file: string; readonly now: number };
  /**
   * Puts the signature of the metadata of before behind the new one, for clients that fetched the old repomd.xml a moment ago and ask
   * for its signature only now: repomd-bridge.ts. `settleSignature` takes it away again.
   */
  readonly bridge?: boolean;
  /**
   * When what is to be published was read where it comes from, in seconds since the epoch, where those are the revisions of its metadata:
   * what another machine published of a later moment is not replaced.
   */
  readonly asOf?: number | undefined;
  /** Compares every package with the one that the target has, and sends those that are missing there. */
  readonly all?: boolean;
}

export interface PublishedRpms {
  /** Whether the target had other metadata, or, with `all`, lacked a file. */
  readonly changed: boolean;
  /** Files sent before repomd.xml. */
  readonly sent: number;
}

/**
 * Makes a repository on a target equal to the local one: packages and metadata files, which are named by their content, then the
 * entry in the release log, then repomd.xml with its signature in one go (I1, I17). Only what the target's own metadata does not
 * name already is sent. Nothing is removed there (retire-rpms.ts). Done when it is seen over the public URL (I6).
 * @throws NightlyError `target-differs` for a package that the target has with other bytes under its name; `target-moved` where it has
 *   what was read later; `verify`; those of the target.
 */
export async function publishRpms(request: PublishRequest, target: Target, task: Task): Promise<PublishedRpms> {
  const { repository, folder, memory, all = false } = request;
  const repomd = await readFile(join(repository, REPOMD));
  const made = await namedHere(repository, repomd, task);
  const signature = await bytesIfThere(join(repository, REPOMD_SIGNATURE));
  const files = [
    ...(signature === undefined ? [] : [{ path: `${folder}/${REPOMD_SIGNATURE}`, content: signature }]),
    { path: `${folder}/${REPOMD}`, content: repomd },
  ];
  const paths = files.map(({ path }) => path);
  const there = await target.readMany(paths, task);
  const place = memory && { target, folder, memory: memory.file };
  const published = place && (await readPublishedNames(place, memory.now, task, { repomd: there.at(-1) }));
  const same = files.every(({ content }, index) => content.equals(there[index] ?? Buffer.alloc(0)));
  let sent = 0;
  // What is read here is what the swap expects: nobody gets in between.
  if (!same) refuseOlder(request, there.at(-1), target);
  if (!same || all) {
    if (place && published) await noteSending(place, published, made.packages);
    const before = there.at(-1);
    const has = published ?? (before && (await readNamedThere(before, { target, folder }, task)));
    sent = await sendMissing(request, made, all ? undefined : has, target, task);
  }
  let visible: readonly SmallFile[] = files;
  if (!same) {
    const expect = paths.map((path, index) => ({ path, content: there[index] }));
    visible = request.bridge ? bridged(files, there) : files;
    // In this order: what is there in the end is what the log says last.
    const entries = [...new Set([visible, files])].map((all) => {
      return formatEntry({ kind: 'rpms', folder, files: all.map((one) => loggedFile(one, folder)) });
    });
    await request.log.before(entries, target, task);
    await target.swap({ expect, put: visible }, task);
    task.say(`${formatCount(sent, 'file')} to ${target.describe()}/${folder}`);
  }
  if (place) await notePublished(place, published, { ...made, repomd: sha256(repomd), now: memory.now });
  for (const { path, content } of visible) await insistOnPublic(`${target.publicUrl}/${path}`, content, task);
  return { changed: !same || sent > 0, sent };
}

function refuseOlder({ folder, asOf }: PublishRequest, repomd: Uint8Array | undefined, target: Target): void {
  const [, revision] = /<revision>(\d{1,15})<\/revision>/.exec(repomd ? Buffer.from(repomd).toString() : '') ?? [];
  if (asOf === undefined || revision === undefined || Number(revision) <= asOf) return;
  const [theirs, ours] = [Number(revision), asOf].map((seconds) => new Date(seconds * 1000).toISOString());
  throw new NightlyError(
    'target-moved',
    `${folder} on target "${target.name}" is as of ${theirs}, later than what was to be published, which is as of ${ours}: another machine publishes there.`,
    { hint: 'Nothing was replaced. Run the same command again, which reads everything anew; let one machine do it.' },
  );
}

async function namedHere(repository: string, repomd: Buffer, task: Task): Promise<NamedThere> {
  const digests = await readPackageDigests(repomd.toString(), localRepository(repository), task);
  const packages = new Map([...digests].map(([path, digest]) => [path, digest.replace(/^sha256:/, '')]));
  return { packages, metadata: metadataFiles(repomd.toString()) };
}

/** Sends packages and metadata files that the target is not known to have with the same digest. @returns how many it lacked */
async function sendMissing(
  { repository, folder, dir }: PublishRequest,
  made: NamedThere,
  has: (NamedThere & { readonly gone?: ReadonlySet<string> }) | undefined,
  target: Target,
  task: Task,
): Promise<number> {
  const isThere = (path: string, digest: string): boolean =>
    has?.packages.get(path) === digest && has.gone?.has(path) !== true;
  const paths = [
    ...[...made.packages].flatMap(([path, digest]) => (isThere(path, digest) ? [] : [path])),
    ...made.metadata.filter((path) => !has?.metadata.includes(path)),
  ];
  await rm(dir, { recursive: true, force: true });
  for (const path of paths) {
    // Targets want files under the paths they are to have.
    const named = join(dir, folder, path);
    await makeFolder(dirname(named));
    await linkOrCopy(join(repository, path), named);
  }
  const names = paths.map((path) => `${folder}/${path}`);
  const { files } = await target.send(dir, names, { immutable: true }, task);
  await rm(dir, { recursive: true, force: true });
  return files;
}

const loggedFile = ({ path, content }: SmallFile, folder: string) => {
  return { path: path.slice(folder.length + 1), sha256: sha256(content), size: content.length };
};

async function insistOnPublic(url: string, content: Uint8Array, task: Task): Promise<void> {
  const seen = await fetchBytes(url, task).catch((error: unknown) => {
    task.signal.throwIfAborted();
    return error instanceof Error ? error : new Error(String(error));
  });
  if (!(seen instanceof Error) && sha256(seen) === sha256(content)) return;
  const why = seen instanceof Error ? seen.message : 'it is not what was sent';
  throw new NightlyError('verify', `${url} cannot be had as it was published: ${why}.`, {
    hint: 'Does the URL lead to the target, without a cache that keeps repomd.xml? Then run the same command again.',
    log: task.logFile,
  });
}
