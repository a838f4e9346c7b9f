import { sha256File } from '../../base/files.ts';
import type { Task } from '../../base/task.ts';
import type { Provenance, TreefileProvenance } from '../../engines/provenance/provenance-format.ts';
import { commitProvenanceIfGood, hasSignatures } from '../../engines/provenance/read-provenance.ts';
import type { ProvenanceRequest } from '../../engines/provenance/rpm-provenance.ts';
import type { Build } from '../../run/build.ts';
import type { RpmProject } from '../../run/project.ts';
import { copiedFiles } from '../../treefile/copied-files.ts';

/** Returns what the tree of a nightly build is to say of its treefile, as the build's own copy has it. */
export async function provenanceRequest(
  { stream }: RpmProject,
  { paths }: Build,
  treefileCopy: string,
): Promise<ProvenanceRequest> {
  const treefile = await treefileProvenance(paths.treefileCopy, treefileCopy, stream.arch);
  return { treefile, signatures: stream.provenance.signatures };
}

/** Returns what a tree says of its treefile. @param top path of the top treefile in the folder with the copy */
export async function treefileProvenance(folder: string, top: string, arch: string): Promise<TreefileProvenance> {
  const { digest, files, elsewhere } = await copiedFiles(folder, top, arch);
  const named: { path: string; sha256: string }[] = [];
  for (const { path, file } of files) named.push({ path, sha256: await sha256File(file) });
  const others: string[] = [];
  for (const file of elsewhere) others.push(await sha256File(file));
  return { digest, files: named, ...(others.length === 0 ? {} : { elsewhere: others.sort() }) };
}

/**
 * Returns what the tree of a promotion is to say: what that of its nightly build says, so that the two compare equal. A tree that
 * says nothing is from before there was a provenance, and is made again without.
 */
export async function promotedProvenance(
  repo: string,
  nightly: string,
  task: Task,
): Promise<ProvenanceRequest | undefined> {
  const found = await commitProvenanceIfGood(repo, nightly, task);
  return found?.treefile && sameProvenance(found, found.treefile);
}

/** Returns what a tree that is made again is to say, but for its treefile: what the first one says. */
export function sameProvenance(found: Provenance, treefile: TreefileProvenance): ProvenanceRequest {
  const repositories = found.packages.flatMap(({ nevra, repository }) =>
    repository === undefined ? [] : [[nevra, repository] as const],
  );
  return {
    treefile,
    signatures: hasSignatures(found),
    repositories: Object.fromEntries(repositories),
  };
}
