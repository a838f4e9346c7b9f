import { join } from 'node:path';
import { sha256, writeFileAtomic } from '../base/files.ts';
import { REBUILDS_FOLDER } from '../build/build-files.ts';
import type { RebuildRecord } from '../build/build-record.ts';
import { readMeta, type StoredBuild, updateMeta } from '../build/build-store.ts';
import type { Project } from '../run/project.ts';
import type { Runner } from '../run/runner.ts';
import { renewRecords } from '../steps/deliver/publish-build.ts';
import type { KnownRebuild } from '../steps/release/rebuild-statements.ts';
import { openTarget } from '../targets/open-target.ts';
import { putPages } from './put-pages.ts';

/** A statement that was verified, with its bytes. */
export interface AcceptedRebuild extends KnownRebuild {
  readonly content: Uint8Array;
}

/**
 * Stores what rebuilders say of a build beside it, and publishes that wherever its record is: logged, then the statements, the
 * record that names them, and its page. Done again after a kill, it ends the same.
 */
export async function attestBuild(
  project: Project,
  { paths }: StoredBuild,
  accepted: readonly AcceptedRebuild[],
  runner: Runner,
): Promise<readonly RebuildRecord[]> {
  const { config, stream } = project;
  const records = accepted.map(recordOf);
  await runner.step('store', { records }, async () => {
    for (const [index, { content }] of accepted.entries())
      await writeFileAtomic(join(paths.dir, records[index]?.statement ?? ''), content);
    const known = (await readMeta(paths)).rebuilds ?? [];
    const fresh = records.filter(({ statement }) => !known.some((one) => one.statement === statement));
    if (fresh.length > 0) await updateMeta(paths, { rebuilds: [...known, ...fresh] });
  });
  const released = stream.release?.to?.images ?? [];
  const names = new Set([...project.targets.map(({ name }) => name), ...released]);
  const targets = [...names].flatMap((name) => config.targets[name] ?? []).map(openTarget);
  for (const target of targets) {
    await runner.step(`record-${target.name}`, { records }, (task) => renewRecords(project, { paths }, [target], task));
    await putPages(project, { of: paths.id, inputs: { records } }, target, runner);
  }
  return (await readMeta(paths)).rebuilds ?? [];
}

/** The name holds the digest: what is published under it never changes (I16). */
function recordOf({ by, said, content }: AcceptedRebuild): RebuildRecord {
  return {
    by,
    verdict: said.verdict,
    at: said.finishedOn,
    statement: `${REBUILDS_FOLDER}/${by}-${sha256(content).slice(0, 16)}.intoto.jsonl`,
    differences: said.differences.count,
  };
}
