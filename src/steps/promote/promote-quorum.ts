import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { signStatement } from '../../attest/sign-statement.ts';
import { NightlyError } from '../../base/errors.ts';
import { sha256, writeFileAtomic } from '../../base/files.ts';
import { formatCount } from '../../base/format.ts';
import { fitsGlob } from '../../base/glob.ts';
import type { Task } from '../../base/task.ts';
import { QUORUM_FILE } from '../../build/build-files.ts';
import type { QuorumConfig } from '../../config/release.ts';
import { type AgreedPackage, type AskedPackage, agreementOn } from '../../rebuild/quorum.ts';
import { quorumSummary } from '../../rebuild/quorum-summary.ts';
import { type RebuildConfig, readRebuildRecords, statementOf } from '../../rebuild/rebuild-records.ts';
import { statementPath } from '../../rebuild/result-store.ts';
import { rpmFileName } from '../../rpm/evr.ts';
import { lockedEntries, readLockfile } from '../../rpm/lockfile.ts';
import { readRpmStart } from '../../rpm/signature/rpm-signature.ts';
import type { Build } from '../../run/build.ts';
import type { RpmProject } from '../../run/project.ts';
import { packageStore } from './promote-packages.ts';

/**
 * Demands that so many independent operators have built each package of a promotion as it is (I18), and writes down, signed, what the
 * quorum says: a verification summary in the folder of the build, whatever its verdict.
 * @throws NightlyError `gate-failed` naming each package that lacks it, and who has built it; `config` without builders or a key.
 */
export async function promoteQuorum(
  project: RpmProject,
  build: Pick<Build, 'id' | 'paths'>,
  { quorum, packages: patterns }: QuorumConfig,
  task: Task,
): Promise<{ readonly packages: number }> {
  const config = withBuilders(project);
  const asked = await askedPackages(project, build, patterns);
  const { judged } = await readRebuildRecords(config);
  const agreed = agreementOn(asked, judged);
  const lacking = agreed.filter(({ operators }) => operators.length < quorum);
  await writeSummary(config, build, { agreed, quorum, passed: lacking.length === 0 }, task);
  if (lacking.length === 0) {
    task.say(`${formatCount(asked.length, 'package')}, each built the same by ${quorum} operators`);
    return { packages: asked.length };
  }
  const lines = lacking.map(({ nevra, operators }) => `  ${nevra}: built by ${operators.join(', ') || 'nobody'}`);
  throw new NightlyError(
    'gate-failed',
    `${lacking.length} of ${asked.length} packages were not built the same by ${quorum} independent operators:\n${lines.sort().join('\n')}`,
    {
      hint: `Have them rebuilt by further operators, or resolve their disputes; then "atomic-nightly resume ${build.id}".`,
    },
  );
}

function withBuilders({ config, stream }: RpmProject): RebuildConfig {
  const { builders } = config;
  if (builders !== undefined) return { ...config, builders };
  throw new NightlyError('config', `Stream "${stream.name}" asks for a quorum of builders, and there are none.`, {
    hint: 'Add the block "builders", or remove "rebuild" from the stream: docs/rebuilds.md.',
    place: config.placeOf('streams', stream.name, 'rebuild'),
  });
}

/** Their payloads were compared with the headers when the signatures were checked. */
async function askedPackages(
  project: RpmProject,
  { paths }: Pick<Build, 'paths'>,
  patterns: readonly string[],
): Promise<AskedPackage[]> {
  const entries = lockedEntries(await readLockfile(paths.lockfile));
  const covered = entries.filter(({ name }) => patterns.some((pattern) => fitsGlob(pattern, name)));
  const asked: AskedPackage[] = [];
  for (const { name, evra } of covered) {
    const { header } = await readRpmStart(join(packageStore(project), rpmFileName(name, evra)));
    asked.push({ nevra: `${name}-${evra}`, header: sha256(header) });
  }
  return asked;
}

async function writeSummary(
  config: RebuildConfig,
  { id, paths }: Pick<Build, 'id' | 'paths'>,
  {
    agreed,
    quorum,
    passed,
  }: { readonly agreed: readonly AgreedPackage[]; readonly quorum: number; readonly passed: boolean },
  task: Task,
): Promise<void> {
  if (agreed.length === 0) return;
  const { signer, verifier } = statementOf(config);
  const jobs = [...new Set(agreed.flatMap((one) => one.jobs))].sort();
  const inputs = await Promise.all(
    jobs.map(async (job) => ({ job, sha256: sha256(await readFile(statementPath(config.work, job))) })),
  );
  const subjects = agreed.map(({ nevra, header }) => ({ name: nevra, digest: { 'rpm-header-sha256': header } }));
  const at = Math.floor(Date.now() / 1000);
  const resource = `urn:atomic-nightly:build:${config.name}:${id}`;
  const payload = quorumSummary({ subjects, verifier, resource, quorum, inputs, passed, at });
  const line = await signStatement(payload, signer, task);
  await writeFileAtomic(join(paths.dir, QUORUM_FILE), line);
}
