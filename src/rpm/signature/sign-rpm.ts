import { constants } from 'node:fs';
import { copyFile, open, rename, rm, stat } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { signatureAlgorithm, signaturePackets } from '../../base/openpgp-packets.ts';
import type { Task } from '../../base/task.ts';
import { rpmSignWith } from '../../programs/rpmbuild.ts';
import { formatHeader, type HeaderEntry } from './header.ts';
import { padded, type RpmStart, readRpmStart, SIGNATURE_REGION, SIGTAG } from './rpm-signature.ts';

/** Signature tags that a new signature replaces, as `rpmsign --addsign` does. */
const REPLACED: readonly number[] = [SIGTAG.dsaHeader, SIGTAG.rsaHeader, SIGTAG.pgp, SIGTAG.gpg];
/** Public-key algorithms of OpenPGP that RPM puts under RSAHEADER (RFC 4880 section 9.1). */
const RSA: readonly number[] = [1, 3];

/**
 * Puts a signature over its header into an RPM file, in place of one that it has. The file keeps its length where rpmbuild
 * left room; everything else in the signature header stays, checksums and IMA signatures among it.
 * @param signature binary detached OpenPGP signature over the bytes it is given; of several packets the first counts, since an
 *   RPM holds one: that of the part which rpm on every host knows
 * @returns false for a package whose header does not name the payload's digest (rpm before 4.14): a signature over its header
 *   would say nothing of what it installs. Nothing is changed then.
 * @throws NightlyError `verify` for a file that is not an RPM, and what `signature` throws.
 */
export async function signRpm(path: string, signature: (header: Uint8Array) => Promise<Uint8Array>): Promise<boolean> {
  const aside = `${path}.${process.pid}.tmp`;
  try {
    if (!(await writeSignedRpm(path, aside, signature))) return false;
    const file = await open(aside, 'r');
    await file.sync().finally(() => file.close());
    // Whoever reads it has the old one or the new one.
    await rename(aside, path);
    return true;
  } catch (error) {
    await rm(aside, { force: true });
    throw error;
  }
}

/**
 * Writes the signed copy of an RPM file, as `signRpm` does; not yet durable.
 * @param out written in place of what is there; after a failure there may be a part of it
 * @returns what it read of the package; undefined for one that it cannot sign, of which nothing is written
 */
export async function writeSignedRpm(
  path: string,
  out: string,
  signature: (header: Uint8Array) => Promise<Uint8Array>,
): Promise<RpmStart | undefined> {
  const start = await readRpmStart(path);
  if (!start.coversPayload) return undefined;
  const [packet = new Uint8Array()] = signaturePackets(await signature(start.header));
  const { lead, signatureSize } = start;
  const header = withSignature(start, packet);
  const before = padded(signatureSize);
  if (header.length === before) await copyFile(path, out, constants.COPYFILE_FICLONE);
  else await copyBehind(path, lead.length + before, out, lead.length + header.length);
  const file = await open(out, 'r+');
  try {
    const bytes = Buffer.concat([lead, header]);
    await file.write(bytes, 0, bytes.length, 0);
  } finally {
    await file.close();
  }
  return start;
}

/**
 * The same for every package there is: rpmsign puts the signature into one of rpm before 4.14, over header and payload.
 * @param dir an empty folder for what rpmsign needs
 */
export async function signAnyRpm(
  path: string,
  signature: (data: Uint8Array) => Promise<Uint8Array>,
  dir: string,
  task: Task,
): Promise<void> {
  if (await signRpm(path, signature)) return;
  const first = async (data: Uint8Array) => signaturePackets(await signature(data))[0] ?? new Uint8Array();
  await rpmSignWith(path, first, dir, task);
}

/** Returns the signature header, with its padding, that has one more signature. */
function withSignature({ signature, signatureSize }: RpmStart, packet: Uint8Array): Buffer {
  const data = Buffer.from(packet);
  const tag = RSA.includes(signatureAlgorithm(packet)) ? SIGTAG.rsaHeader : SIGTAG.dsaHeader;
  const kept = signature.filter((entry) => !REPLACED.includes(entry.tag) && entry.tag !== SIGTAG.reservedSpace);
  const signed = [...kept, { tag, type: 7, count: data.length, data }];
  const room = signature.find((entry) => entry.tag === SIGTAG.reservedSpace);
  if (!room) return withPadding(formatHeader(signed, SIGNATURE_REGION));
  // What is left of the room is what makes the header as long as it was; its own entry takes some of it.
  const least = formatHeader([...signed, reserved(1)], SIGNATURE_REGION).length;
  const left = signatureSize - least + 1;
  const entries = left < 1 ? signed : [...signed, reserved(left)];
  return withPadding(formatHeader(entries, SIGNATURE_REGION));
}

const reserved = (length: number): HeaderEntry => ({
  ...{ tag: SIGTAG.reservedSpace, type: 7, count: length },
  data: Buffer.alloc(length),
});

const withPadding = (header: Buffer): Buffer => Buffer.concat([header, Buffer.alloc(-header.length & 7)]);

/** Copies what is behind a place in a file to another place in a new one. */
async function copyBehind(path: string, from: number, aside: string, to: number): Promise<void> {
  const [source, target] = [await open(path, 'r'), await open(aside, 'w', (await stat(path)).mode)];
  await pipeline(source.createReadStream({ start: from }), target.createWriteStream({ start: to }));
}
