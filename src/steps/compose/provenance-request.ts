import { sha256File } from '../../base/files.ts';
import type { Task } from '../../base/task.ts';
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
  const { digest, files, elsewhere } = await copiedFiles(paths.treefileCopy, treefileCopy, stream.arch);
  const named: { path: string; sha256: string }[] = [];
  for (const { path, file } of files) named.push({ path, sha256: await sha256File(file) });
  const others: string[] = [];
  for (const file of elsewhere) others.push(await sha256File(file));
  return {
    treefile: { digest, files: named, ...(others.length === 0 ? {} : { elsewhere: others.sort() }) },
    signatures: stream.provenance.signatures,
  };
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
  if (found?.treefile === undefined) return undefined;
  const repositories = found.packages.flatMap(({ nevra, repository }) =>
    repository === undefined ? [] : [[nevra, repository] as const],
  );
  return {
    treefile: found.treefile,
    signatures: hasSignatures(found),
    repositories: Object.fromEntries(repositories),
  };
}
