import { chmod, mkdir, open, readdir, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { ifThere, isErrno, makeFolder, syncFolder } from '../../base/files.ts';

/** Folder for files that are still incomplete; only the publishing account may enter it. */
const ASIDE = '.atomic-nightly';

/** Two publishes of this process may write one path at the same time. */
let asideCount = 0;

/**
 * Returns where a file is written until it is whole: where no web server shows what a kill leaves of one. In the
 * repository it must not look like a ref to ostree either, so there it is ostree's own folder for such files, which
 * ostree tidies up.
 */
export async function asideOf(root: string, path: string, folders: Folders): Promise<string> {
  asideCount += 1;
  const name = `${basename(path)}.${process.pid}.${asideCount}.tmp`;
  if (path.startsWith('repo/')) {
    await folders.make('repo/tmp');
    return join(root, 'repo/tmp', name);
  }
  await makeFolder(join(root, ASIDE), 0o700);
  return join(root, ASIDE, name);
}

/** Removes what publishers that were killed left aside a day ago or longer. */
export async function tidyAside(root: string): Promise<void> {
  const before = Date.now() - 86_400_000;
  for (const name of (await ifThere(readdir(join(root, ASIDE)))) ?? []) {
    const path = join(root, ASIDE, name);
    const there = await ifThere(stat(path));
    if (there && there.mtimeMs < before) await rm(path, { force: true });
  }
}

/** Has a file written, makes it world-readable and durable. */
export async function writeAside(aside: string, write: (aside: string) => Promise<void>): Promise<void> {
  await write(aside);
  await chmod(aside, 0o644);
  const file = await open(aside, 'r');
  await file.sync().finally(() => file.close());
}

/** Folders of a target: each made once, readable for the web server whatever the umask, and synced at the end. */
export class Folders {
  readonly #root: string;
  readonly #made = new Map<string, Promise<void>>();

  constructor(root: string) {
    this.#root = root;
  }

  /** Makes a folder (relative to the target's root) with those above it. */
  make(path: string): Promise<void> {
    const known = this.#made.get(path);
    if (known !== undefined) return known;
    const making = path === '.' ? this.#makeRoot() : this.make(dirname(path)).then(() => this.#makeOne(path));
    this.#made.set(path, making);
    return making;
  }

  async sync(): Promise<void> {
    for (const path of this.#made.keys()) await syncFolder(join(this.#root, path));
  }

  async #makeRoot(): Promise<void> {
    const first = await makeFolder(this.#root);
    if (first !== undefined) await chmod(this.#root, 0o755);
  }

  async #makeOne(path: string): Promise<void> {
    try {
      await mkdir(join(this.#root, path));
      await chmod(join(this.#root, path), 0o755);
    } catch (error) {
      if (!isErrno(error, 'EEXIST')) throw error;
    }
  }
}
