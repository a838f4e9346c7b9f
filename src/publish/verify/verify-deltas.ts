import { join } from 'node:path';
import { sha256 } from '../../base/files.ts';
import type { Task } from '../../base/task.ts';
import { asBytes, decodeVariant, variantMap } from '../../ostree/gvariant.ts';
import { objectPath } from '../../ostree/objects.ts';
import { deltaIndexPath, deltaPath } from '../../ostree/static-deltas.ts';
import { makeClient, pullAsClient } from '../../programs/ostree-client.ts';
import type { PublicFiles } from './public-http.ts';
import { attempt, RECONCILE_HINT, type Report } from './verify-report.ts';

export interface DeltaInspection {
  /** Public URL of the repository. */
  readonly url: string;
  readonly files: PublicFiles;
  readonly ref: string;
  readonly commit: string;
  /** A client's repository that has the commit; without, deltas are not applied. */
  readonly client?: string;
  readonly scratchDir: string;
}

/**
 * Looks at the static deltas to a commit: each that the index names is there with the checksum it has there, and a
 * client that has what it starts from, and is allowed nothing else, gets to the commit by it.
 */
export async function inspectDeltas(request: DeltaInspection, report: Report, task: Task): Promise<void> {
  const { files, commit } = request;
  const what = `deltas to ${commit.slice(0, 12)}`;
  const hint = 'Make the deltas again and publish them; clients fall back to single objects meanwhile, or fail.';
  const index = await attempt(report, what, hint, task.signal, async () => {
    const bytes = await files.get(`repo/${deltaIndexPath(commit)}`);
    return bytes && deltasInIndex(bytes);
  });
  for (const [name, digest] of index ?? []) {
    const from = name.includes('-') ? name.split('-')[0] : undefined;
    const line = `delta ${from === undefined ? 'from scratch' : `from ${from.slice(0, 12)}`} to ${commit.slice(0, 12)}`;
    await attempt(report, line, RECONCILE_HINT, task.signal, async () => {
      const path = `repo/${deltaPath(from, commit)}/superblock`;
      const superblock = await files.get(path);
      if (!superblock) throw new Error(`the index names it, but ${path} is not there`);
      if (sha256(superblock) !== digest) throw new Error(`${path} has another checksum than the index says`);
      await applied(request, from, line, report, task);
    });
  }
}

/** Names (`FROM-TO`, or `TO` from scratch) with the SHA-256 of the superblock. @throws Error when it is no index. */
export function deltasInIndex(index: Uint8Array): Map<string, string> {
  const deltas = variantMap(decodeVariant('a{sv}', index)).get('ostree.static-deltas');
  if (deltas?.type !== 'a{sv}') throw new Error('the index of static deltas names none');
  const entries = [...variantMap(deltas.value)];
  return new Map(entries.map(([name, { value }]) => [name, Buffer.from(asBytes(value)).toString('hex')]));
}

async function applied(
  { url, files, ref, commit, client, scratchDir }: DeltaInspection,
  from: string | undefined,
  line: string,
  report: Report,
  task: Task,
): Promise<void> {
  if (from !== undefined && (await files.size(`repo/${objectPath(from, 'commit')}`)) === undefined) {
    report.ok(line, 'is there; not applied, for the commit it starts from is no longer published');
    return;
  }
  if (client === undefined) {
    report.ok(line, 'is there; not applied, for the commit could not be pulled');
    return;
  }
  const repo = join(scratchDir, `delta-${from ?? 'scratch'}-${commit}`);
  // Signatures were asked for when the commit was pulled; the one before may be from a time without.
  await makeClient(repo, url, { gpgKeys: [], signedSummary: false }, task);
  if (from !== undefined) await pullAsClient({ repo, ref, commit: from, deltas: 'no', cache: client }, task);
  const got = await pullAsClient({ repo, ref, deltas: 'must' }, task);
  if (got !== commit) throw new Error(`a client that pulled it got ${got}`);
  report.ok(line, 'applies');
}
