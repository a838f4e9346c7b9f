import { dirname, join } from 'node:path';
import { isErrno, makeFolder } from '../../base/files.ts';
import { linkOrCopy } from '../../base/link-or-copy.ts';
import type { Task } from '../../base/task.ts';
import { diffoscope } from '../../programs/diffoscope.ts';
import {
  type Dispute,
  disputeFolder,
  disputeId,
  fingerprintOf,
  readDispute,
  writeDispute,
} from '../../rebuild/dispute-record.ts';
import { inputsOf } from '../../rebuild/duplicates.ts';
import { classIn, isAllowed, readClass, sourceName } from '../../rebuild/package-classes.ts';
import { packagePath } from '../../rebuild/rebuild-folder.ts';
import { type RebuildConfig, type RebuildRecords, readRebuildRecords } from '../../rebuild/rebuild-records.ts';
import type { RebuildResult } from '../../rebuild/result.ts';
import { statementPath } from '../../rebuild/result-store.ts';
import { tellDisputes } from '../../reports/notify/tell-disputes.ts';
import { parseNevra } from '../../rpm/evr.ts';
import { headerDifferences, type TagDifference } from '../../rpm/header-differences.ts';

/**
 * Opens a dispute for every two results of the inputs of one that differ, where none is on record: evidence first, then the record,
 * then everybody who is to know. Whatever a kill left undone is done the next time.
 * @returns what is on record of these inputs, with the new disputes
 */
export async function openDisputes(
  config: RebuildConfig,
  like: RebuildResult,
  now: number,
  task: Task,
): Promise<RebuildRecords> {
  const records = await readRebuildRecords(config, like);
  let opened = false;
  for (const [one, other] of differing(records)) {
    if ((await readDispute(config.work, disputeId(one, other))) !== undefined) continue;
    await openDispute(config.work, one, other, now, task);
    opened = true;
  }
  const known = opened ? await readRebuildRecords(config, like) : records;
  await tellDisputes(config, known.disputes, task);
  return known;
}

/** Pairs of results that stand against each other, each pair of outcomes once. */
function differing({ judged }: RebuildRecords): (readonly [RebuildResult, RebuildResult])[] {
  const pairs = new Map<string, readonly [RebuildResult, RebuildResult]>();
  const open = judged.filter(({ disputes }) => disputes.length > 0);
  for (const { result: one, disputes } of open) {
    for (const { result: other } of open) {
      if (inputsOf(one) !== inputsOf(other) || fingerprintOf(one) === fingerprintOf(other)) continue;
      const id = disputeId(one, other);
      if (disputes.includes(id) && !pairs.has(id)) pairs.set(id, [one, other]);
    }
  }
  return [...pairs.values()];
}

async function openDispute(
  work: string,
  one: RebuildResult,
  other: RebuildResult,
  now: number,
  task: Task,
): Promise<void> {
  const id = disputeId(one, other);
  const folder = disputeFolder(work, id);
  const evidence = [...(await keepSide(work, one, folder, 'one')), ...(await keepSide(work, other, folder, 'other'))];
  const packages = await differingPackages(folder, one, other);
  const known = classIn(await readClass(work, sourceName(one.source.nevra)));
  const found = packages.map(({ package: nevra, tags }) => ({ package: parseNevra(nevra)?.name ?? nevra, tags }));
  const isKnown =
    known.class === 'known-differences' && one.outcome === other.outcome && isAllowed(found, known.differences);
  const kind = isKnown ? 'explained' : known.class === 'unknown' ? 'task' : 'dispute';
  if (kind !== 'explained') evidence.push(...(await lookDeeper(folder, packages, { one, other }, task)));
  const { source, root, arch } = one;
  const sides = { one: sideOf(one), other: sideOf(other) };
  await writeDispute(work, {
    ...{ disputeVersion: 1, id, kind, class: known.class, at: now, source: { ...source }, root, arch },
    ...{ ...sides, packages, evidence },
  });
  task.say(`${kind} ${id}: ${source.nevra} of ${one.builder} and of ${other.builder} differ`);
}

const sideOf = (result: RebuildResult): Dispute['one'] => {
  const { job, builder, operator, outcome } = result;
  return { job, builder, operator, outcome, fingerprint: fingerprintOf(result) };
};

/** Keeps what a side made and what was stated of it: the folder of a job may be cleaned up. @returns the files, relative */
async function keepSide(work: string, result: RebuildResult, folder: string, side: string): Promise<string[]> {
  const files = [`${side}/statement.intoto.jsonl`];
  await keep(statementPath(work, result.job), join(folder, side, 'statement.intoto.jsonl'));
  for (const one of result.packages) {
    await keep(await packagePath(work, result.job, one), join(folder, side, one.file));
    files.push(`${side}/${one.file}`);
  }
  return files;
}

async function keep(from: string, to: string): Promise<void> {
  await makeFolder(dirname(to));
  await linkOrCopy(from, to).catch((error: unknown) => {
    // Kept before this was killed.
    if (!isErrno(error, 'EEXIST')) throw error;
  });
}

/** The packages in which two results differ, tag by tag. */
async function differingPackages(
  folder: string,
  one: RebuildResult,
  other: RebuildResult,
): Promise<Dispute['packages']> {
  const names = [...new Set([...one.packages, ...other.packages].map(({ nevra }) => nevra))].sort();
  const found: Dispute['packages'] = [];
  for (const nevra of names) {
    const [left, right] = [one, other].map(({ packages }) => packages.find((all) => all.nevra === nevra));
    if (left?.header === right?.header) continue;
    const tags =
      left && right
        ? await headerDifferences(join(folder, 'one', left.file), join(folder, 'other', right.file))
        : undefined;
    found.push({
      package: nevra,
      ...(left && { one: left.header }),
      ...(right && { other: right.header }),
      ...(tags && { tags: tags.map(asRecorded) }),
    });
  }
  return found;
}

const asRecorded = ({ tag, one, other, count, files }: TagDifference) => {
  return { tag, count, one: [...one], other: [...other], ...(files && { files: [...files] }) };
};

/** Has diffoscope look at the packages that both sides have, where it is installed. @returns the files that it wrote, relative */
async function lookDeeper(
  folder: string,
  packages: Dispute['packages'],
  { one, other }: { readonly one: RebuildResult; readonly other: RebuildResult },
  task: Task,
): Promise<string[]> {
  const written: string[] = [];
  for (const { package: nevra } of packages) {
    const [left, right] = [one, other].map((side) => side.packages.find((all) => all.nevra === nevra)?.file);
    if (left === undefined || right === undefined) continue;
    const name = `diffoscope-${left.replace(/\.rpm$/, '')}.txt`;
    const out = join(folder, name);
    if (await diffoscope(join(folder, 'one', left), join(folder, 'other', right), out, task)) written.push(name);
  }
  return written;
}
