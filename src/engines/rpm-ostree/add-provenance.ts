import type { Task } from '../../base/task.ts';
import { addFile } from '../../ostree/add-file.ts';
import { readCommit } from '../../ostree/objects.ts';
import type { RpmHeader } from '../../programs/rpm-installed.ts';
import type { PackageId } from '../../rpm/lockfile.ts';
import type { ComposeRequest } from '../engine.ts';
import { checkProvenancePlace } from '../provenance/place.ts';
import { PROVENANCE_PATH, provenanceText } from '../provenance/provenance-format.ts';
import { type PackageSignatures, packagesProvenance, signaturesOf } from '../provenance/rpm-provenance.ts';
import { kindInCommit } from './repos.ts';

/** A file that rpm-ostree itself wrote, at a place of the same kind. */
const SIBLING = '/usr/share/rpm-ostree/treefile.json';

/**
 * Puts into the tree of a commit that rpm-ostree made what it is made of. Whatever rpm-ostree can be given beforehand
 * (`add-files`, `postprocess`, `ostree-layers`) counts for its input hash and must be known before it has downloaded a package;
 * what a package's header says is known afterwards. So the tree is written anew with one file more, whichever release it is.
 * @returns the new root folder; undefined where no provenance was asked for
 */
export async function addProvenance(
  { repo, lockfile, provenance }: ComposeRequest,
  made: {
    readonly commit: string;
    /** Headers in its rpm database; undefined where that cannot be read here. */
    readonly installed: readonly RpmHeader[] | undefined;
    /** Packages in its package list. */
    readonly packages: readonly PackageId[] | undefined;
    readonly origins: Readonly<Record<string, string>>;
  },
  task: Task,
): Promise<{ readonly rootTree: string; readonly signatures: PackageSignatures } | undefined> {
  if (provenance === undefined) return undefined;
  const { commit, installed, packages = [], origins } = made;
  if (installed === undefined)
    task.say('what the tree says of its packages is their names only: its rpm database is not known');
  const known = { installed: installed ?? packages, lockfile, repositories: origins };
  if (await checkProvenancePlace((path) => kindInCommit(repo, commit, path, task))) {
    task.say(`${PROVENANCE_PATH} of the packages or the treefile is replaced by what the tree is made of`);
  }
  const { rootTree: tree, rootMeta: meta } = await readCommit(repo, commit);
  const content = Buffer.from(provenanceText(packagesProvenance(provenance, known)));
  const rootTree = await addFile(repo, { tree, meta }, { path: PROVENANCE_PATH, content, like: SIBLING });
  return { rootTree, signatures: signaturesOf(known) };
}
