import { join } from 'node:path';
import { sha256File, sizeIfThere } from '../../base/files.ts';
import type { PublicFiles } from '../verify/public-http.ts';
import type { ReconcileFile } from './reconcile-plan.ts';

/** Where the two copies of a file are. */
export interface Copies {
  /** Folder that has the target's files under the same relative paths. */
  readonly root: string;
  /** Sizes of the target's files, in bytes, by relative path. */
  readonly there: (path: string) => number | undefined;
  /** Set where content is compared over the public URL as well: a request per file. */
  readonly files?: PublicFiles | undefined;
}

/** Compares a file; undefined when the target's is as the local one, or there is no local one. */
export async function compareFile({ root, there, files }: Copies, path: string): Promise<ReconcileFile | undefined> {
  const bytes = await sizeIfThere(join(root, path));
  if (bytes === undefined) return undefined;
  const far = there(path);
  if (far === undefined) return { path, bytes, why: 'missing' };
  if (far !== bytes) return { path, bytes, why: 'size' };
  if (!files) return undefined;
  const found = await files.digest(path, () => undefined);
  if (!found) return { path, bytes, why: 'missing' };
  return found.sha256 === (await sha256File(join(root, path))) ? undefined : { path, bytes, why: 'content' };
}
