import { NightlyError } from '../../base/errors.ts';
import { PROVENANCE_PATH } from './provenance-format.ts';

/** What is at a path of a tree; undefined: nothing. */
export type Found = 'file' | 'folder' | 'other' | undefined;

/** The folders that lead to the file, the outermost first, and the file. */
export const PROVENANCE_STEPS = PROVENANCE_PATH.split('/')
  .slice(1)
  .map((_, at, parts) => `/${parts.slice(0, at + 1).join('/')}`);

/**
 * The rule for a tree that has something where its provenance goes: a file is replaced, whoever put it there, as an older
 * compose did into a tree that is composed again; anything else is refused.
 * @param kindAt of a path, links not followed
 * @returns whether a file is replaced
 * @throws NightlyError `compose`
 */
export async function checkProvenancePlace(kindAt: (path: string) => Promise<Found> | Found): Promise<boolean> {
  for (const path of PROVENANCE_STEPS) {
    const found = await kindAt(path);
    if (found === undefined) return false;
    const wanted = path === PROVENANCE_PATH ? 'file' : 'folder';
    if (found === wanted) continue;
    throw new NightlyError(
      'compose',
      `${path} of the tree is not a ${wanted}, and what the tree is made of goes there.`,
      {
        hint: 'Leave it out of the package, the treefile or the folder that has it.',
      },
    );
  }
  return true;
}
