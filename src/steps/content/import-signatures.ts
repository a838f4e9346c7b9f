import { createHash } from 'node:crypto';
import { rm, stat } from 'node:fs/promises';
import { inBatches } from '../../base/batches.ts';
import type { Connection } from '../../base/connection.ts';
import { NightlyError } from '../../base/errors.ts';
import { ifThere } from '../../base/files.ts';
import { oneLine } from '../../base/one-line.ts';
import type { Task } from '../../base/task.ts';
import type { SnapshotRpm } from '../../content/snapshot.ts';
import type { Hub, HubResult } from '../../koji/hub.ts';
import { fileUrl, signedPath } from '../../koji/koji-files.ts';
import { addSignature, isSignatureThere, rpmSignatures, writeSignedCopy } from '../../koji/signature-calls.ts';
import { signatureHeaderOf } from '../../rpm/signature/signature-header.ts';
import { fetchPackages, intoPool } from './package-pool.ts';
import { madePath } from './sign-packages.ts';

export interface ImportPlaces {
  readonly topurl: string;
  readonly connection: Connection;
  /** Eight hexadecimal digits of the key, as koji files signatures. */
  readonly key: string;
  /** Where copies are that were signed here, and where those go that are byte for byte koji's. */
  readonly made: string;
  readonly arrived: string;
}

/** Calls with a signature, of 6 KB each, in one request; with a second call for each that writes the copy. */
const TOGETHER = 75;

/**
 * Gives koji the signatures that were made here, has it write the signed copies, and takes the copies that it has: the ones made
 * here where koji has these very signatures, its own where another signer was first. Koji keeps the first signature
 * of a key; no second version of a package is ever published (C8).
 * @param rpms packages that are not in the pool yet
 * The signed copies are in `arrived` then, and nobody has verified them yet.
 * @throws NightlyError `koji` naming each package that koji refuses a signature of; `package-missing`.
 */
export async function importSignatures(
  rpms: readonly SnapshotRpm[],
  hub: Hub,
  places: ImportPlaces,
  task: Task,
): Promise<void> {
  const { key, made, arrived } = places;
  await giveSignatures(
    rpms.filter(({ keys }) => !keys.includes(key)),
    hub,
    places,
    task,
  );
  const written = await hub.callAll(
    rpms.filter(({ keys }) => keys.includes(key)).map(({ id }) => writeSignedCopy(id, key)),
  );
  refuseFaults(
    rpms.filter(({ keys }) => keys.includes(key)),
    written,
  );
  const kept = await hub.callAll(rpms.map(({ id }) => rpmSignatures(id)));
  for (const [index, rpm] of rpms.entries()) {
    const result = kept[index];
    const known = result?.kind === 'value' ? result.value.find(({ sigkey }) => sigkey === key) : undefined;
    if (!known) throw refused([`  ${rpm.file}: it lists no signature of the key ${key}`]);
    const own = madePath(made, rpm);
    if (!(await ifThere(stat(own)))) continue;
    if (md5(await signatureHeaderOf(own)) === known.sighash) await intoPool(own, arrived, rpm);
    else {
      task.say(`${rpm.file}: koji has an earlier signature of this key, which is taken`);
      await rm(own);
    }
  }
  const wanted = rpms.map((rpm) => ({
    ...rpm,
    name: rpm.file,
    url: fileUrl(places.topurl, signedPath(rpm.build, rpm, key)),
  }));
  await fetchPackages(wanted, arrived, places.connection, task);
}

const md5 = (bytes: Uint8Array): string => createHash('md5').update(bytes).digest('hex');

async function giveSignatures(
  rpms: readonly SnapshotRpm[],
  hub: Hub,
  { key, made }: ImportPlaces,
  task: Task,
): Promise<void> {
  let done = 0;
  for (const some of inBatches(rpms, TOGETHER)) {
    const headers = await Promise.all(some.map((rpm) => signatureHeaderOf(madePath(made, rpm))));
    const calls = some.flatMap(({ id }, index) => [
      addSignature(id, headers[index] ?? new Uint8Array()),
      writeSignedCopy(id, key),
    ]);
    const results = await hub.callAll(calls);
    refuseFaults(some, results.filter((_, index) => index % 2 === 0).map(withoutRepeats));
    refuseFaults(
      some,
      results.filter((_, index) => index % 2 === 1),
    );
    done += some.length;
    task.progress(done, rpms.length, 'packages');
  }
}

/** A signature that is there is what was wanted: of an earlier try of this program, or of another signer. */
const withoutRepeats = (result: HubResult<null>): HubResult<null> =>
  result.kind === 'fault' && isSignatureThere(result) ? { kind: 'value', value: null } : result;

function refuseFaults(rpms: readonly SnapshotRpm[], results: readonly HubResult<null>[]): void {
  const faults = rpms.flatMap(({ file }, index) => {
    const result = results[index];
    return result?.kind === 'fault' ? [`  ${file}: ${oneLine(result.message)} (fault ${result.code})`] : [];
  });
  if (faults.length > 0) throw refused(faults);
}

function refused(lines: readonly string[]): NightlyError {
  return new NightlyError(
    'koji',
    `koji does not take the signatures of ${lines.length} packages:\n${lines.join('\n')}`,
    {
      hint: 'Nothing of the tag was published. "koji grant-permission sign USER" gives the permission; other faults are in the log of the hub.',
    },
  );
}
