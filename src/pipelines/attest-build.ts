import type { Build } from '../run/build.ts';
import type { Project } from '../run/project.ts';
import type { Runner } from '../run/runner.ts';
import { bundleStatement, statedRecords, writeSbom, writeStatement } from '../steps/deliver/attest.ts';
import { proveBySigsum } from '../steps/deliver/sigsum-proof.ts';

/** Has the bill of materials of a build's tree made, where the stream asks for one. */
export async function billTree(project: Project, build: Build, commit: string, runner: Runner): Promise<void> {
  const { stream, repo, ref } = project;
  if (!stream.attestations?.sbom) return;
  await runner.step('sbom', { commit }, (task) => writeSbom(build, { repo, commit, ref }, task));
}

/** Has a build's commit and records stated and signed, where the stream asks for it; what is in the build's record is said. */
export async function stateBuild(project: Project, build: Build, commit: string, runner: Runner): Promise<void> {
  if (!project.statementSigner) return;
  const { attestations: configured } = project.stream;
  await runner.step('statement', { commit, configured, records: statedRecords(build) }, (task) =>
    writeStatement(project, build, commit, task),
  );
  const { rekor, sigsum } = configured?.statement ?? {};
  if (rekor !== undefined)
    await runner.step('statement-log', { commit, configured }, (task) => bundleStatement(project, build, task));
  if (sigsum !== undefined)
    await runner.step('statement-sigsum', { commit, configured }, (task) =>
      proveBySigsum(sigsum, build.paths.dir, task),
    );
}
