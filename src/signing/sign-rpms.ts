import { copyFile, rm, utimes } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { inBatches } from '../base/batches.ts';
import { NightlyError } from '../base/errors.ts';
import { isErrno, makeFolder, withTemporaryFolder } from '../base/files.ts';
import { signaturePackets } from '../base/openpgp-packets.ts';
import { inParallel } from '../base/parallel.ts';
import type { Task } from '../base/task.ts';
import { rpmSignWith } from '../programs/rpmbuild.ts';
import { renameTogether } from '../programs/sync.ts';
import { setBuildTime } from '../rpm/signature/build-time.ts';
import { writeSignedRpm } from '../rpm/signature/sign-rpm.ts';
import type { Signer } from './signer.ts';

/** An RPM to sign. */
export interface RpmToSign {
  /** It stays as it is. */
  readonly file: string;
  /** Where the signed copy goes; its folder is made. */
  readonly out: string;
}

/** An RPM that could not be signed because of what it is. */
export interface UnsignableRpm {
  readonly file: string;
  readonly why: string;
}

/** So many files get their names, durably, in one go. */
const TOGETHER = 256;

/**
 * Signs many RPMs, as many at a time as the signer takes; an OpenPGP key in a file uses every core. Each signed copy appears whole
 * under its name, durably, with the time at which its package was built, so that metadata of the same packages has the same
 * bytes. Memory does not grow with their number.
 * @returns those that are no RPMs, cut short or damaged; all others are signed
 * @throws NightlyError `signing`; what is signed by then stays.
 */
export async function signRpms(rpms: readonly RpmToSign[], signer: Signer, task: Task): Promise<UnsignableRpm[]> {
  const unsignable: UnsignableRpm[] = [];
  let done = 0;
  for (const batch of inBatches(rpms, TOGETHER)) {
    const written: RpmToSign[] = [];
    for (const folder of new Set(batch.map(({ out }) => dirname(out)))) await makeFolder(folder);
    await inParallel(batch, { atATime: signer.atATime ?? 1, signal: task.signal }, async (one) => {
      const why = await signOne(one, signer, task);
      if (why === undefined) written.push(one);
      else unsignable.push({ file: one.file, why });
      done += 1;
      task.progress(done, rpms.length, 'packages');
    });
    await renameTogether(
      written.map(({ out }) => ({ aside: asideOf(out), path: out })),
      task,
    );
  }
  return unsignable;
}

const asideOf = (out: string): string => `${out}.${process.pid}.tmp`;

/** Writes the signed copy aside. @returns why it cannot be signed */
async function signOne({ file, out }: RpmToSign, signer: Signer, task: Task): Promise<string | undefined> {
  const aside = asideOf(out);
  try {
    const sign = (data: Uint8Array) => signer.sign(data, task);
    const start = await writeSignedRpm(file, aside, sign);
    if (start) await utimes(aside, start.buildTime, start.buildTime);
    else {
      await signOldRpm(file, aside, sign, task);
      await setBuildTime(aside);
    }
    return undefined;
  } catch (error) {
    await rm(aside, { force: true });
    if (error instanceof NightlyError && error.code === 'verify') return error.message;
    if (isErrno(error, 'ENOENT')) return `${file} is not there.`;
    throw error;
  }
}

/** A package of rpm before 4.14 needs a signature over header and payload, which rpmsign puts there. */
async function signOldRpm(
  file: string,
  aside: string,
  sign: (data: Uint8Array) => Promise<Uint8Array>,
  task: Task,
): Promise<void> {
  const first = async (data: Uint8Array) => signaturePackets(await sign(data))[0] ?? new Uint8Array();
  await withTemporaryFolder(async (dir) => {
    // rpmsign goes by the name's end.
    const copy = join(dir, 'old.rpm');
    await copyFile(file, copy);
    await rpmSignWith(copy, first, join(dir), task);
    await copyFile(copy, aside);
  });
}
