import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { NightlyError } from '../../base/errors.ts';
import { makeFolder, withTemporaryFolder } from '../../base/files.ts';
import type { Task } from '../../base/task.ts';
import { askDnfClient, type WantedPackage } from '../../programs/dnf-client.ts';

export interface ClientCheck {
  /** Public URL of the repository. */
  readonly url: string;
  /** The tag's architecture; undefined for sources. */
  readonly arch?: string | undefined;
  /** Public keys as users have them, armored; none where nothing is signed. */
  readonly keys: readonly string[];
  /** Whether each package has to be signed as well; the metadata has to be wherever there are keys. */
  readonly gpgcheck: boolean;
  /** What was changed; none to look at the metadata alone. */
  readonly packages: readonly WantedPackage[];
}

/**
 * Uses a published repository as a fresh host does (I6): dnf reads it over the public URL, with repo_gpgcheck and gpgcheck, and
 * downloads packages, which must be the very files that were published.
 * @throws NightlyError `verify` naming each package that cannot be used, and why.
 */
export async function useAsClient(check: ClientCheck, task: Task): Promise<void> {
  const { fault, packages } = await withTemporaryFolder(async (dir) => {
    const files = check.keys.map((_, index) => join(dir, `${index}.key`));
    for (const [index, key] of check.keys.entries()) await writeFile(files[index] ?? '', key);
    const root = join(dir, 'root');
    await makeFolder(root);
    return askDnfClient({ ...check, arch: check.arch ?? 'noarch', keys: files }, root, task);
  });
  const hint =
    'Does the URL lead to the target, without a cache that keeps repomd.xml? Then run the same command again.';
  if (fault !== undefined) {
    throw new NightlyError('verify', `dnf cannot use ${check.url}: ${fault}.`, { hint, log: task.logFile });
  }
  if (packages.length === 0) return;
  const lines = packages.map(({ name, evra, fault: why }) => `  ${name}-${evra}: ${why}`);
  throw new NightlyError('verify', `dnf cannot use packages of ${check.url}:\n${lines.join('\n')}`, {
    hint,
    log: task.logFile,
  });
}
