import { copyFile, link, readFile, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { NightlyError } from '../../base/errors.ts';
import { ifThere, isErrno, makeFolder, sha256 } from '../../base/files.ts';
import type { Task } from '../../base/task.ts';
import type { LogGate } from '../../publish/log/logged.ts';
import { formatEntry } from '../../published/log-entry.ts';
import { signatureName } from '../../published/paths.ts';
import { fetchBytes } from '../../rpm/download.ts';
import { metadataFiles, REPOMD } from '../../rpm/repository/package-digests.ts';
import { packagesIn } from '../../rpm/repository/place-packages.ts';
import type { Target } from '../../targets/target.ts';

/** Returns where a stream's RPM repository is on its targets. */
export function rpmFolder(stream: string): string {
  return `rpms/${stream}`;
}

/**
 * Sends a repository to a target: packages and the metadata files, which are named by their content, then repomd.xml with its
 * signature in one go. Nothing is removed there. Done when it is seen over the public URL (I6).
 * @param dir a scratch folder, made anew and removed
 * @returns whether the target had something else
 * @throws NightlyError `verify`, those of the target.
 */
export async function publishRepository(
  {
    repository,
    stream,
    dir,
    log,
  }: { readonly repository: string; readonly stream: string; readonly dir: string; readonly log: LogGate },
  target: Target,
  task: Task,
): Promise<boolean> {
  const folder = rpmFolder(stream);
  const repomd = await readFile(join(repository, REPOMD));
  const signature = await ifThere(readFile(signatureName(join(repository, REPOMD))));
  const files = [
    ...(signature === undefined ? [] : [{ path: `${folder}/${signatureName(REPOMD)}`, content: signature }]),
    { path: `${folder}/${REPOMD}`, content: repomd },
  ];
  const there = await target.readMany(
    files.map(({ path }) => path),
    task,
  );
  const same = files.every(({ content }, index) => content.equals(there[index] ?? Buffer.alloc(0)));
  if (!same) {
    const paths = [...(await packagesIn(repository)), ...metadataFiles(repomd.toString())];
    await rm(dir, { recursive: true, force: true });
    for (const path of paths) await linkOrCopy(join(repository, path), join(dir, folder, path));
    const sent = await target.send(
      dir,
      paths.map((path) => `${folder}/${path}`),
      { immutable: true },
      task,
    );
    const expect = files.map(({ path }, index) => ({ path, content: there[index] }));
    const logged = files.map(({ path, content }) => ({
      path: path.slice(folder.length + 1),
      sha256: sha256(content),
      size: content.length,
    }));
    await log.before([formatEntry({ kind: 'rpms', folder, files: logged })], target, task);
    await target.swap({ expect, put: files }, task);
    await rm(dir, { recursive: true });
    task.say(`${sent.files} files to ${target.describe()}/${folder}`);
  }
  for (const { path, content } of files) await insistOnPublic(`${target.publicUrl}/${path}`, content, task);
  return !same;
}

/** Targets want files under the paths they are to have. */
async function linkOrCopy(from: string, to: string): Promise<void> {
  await makeFolder(dirname(to));
  await link(from, to).catch((error: unknown) => {
    if (!isErrno(error, 'EXDEV') && !isErrno(error, 'EPERM')) throw error;
    return copyFile(from, to);
  });
}

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
