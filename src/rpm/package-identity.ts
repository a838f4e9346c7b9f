import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { NightlyError } from '../base/errors.ts';
import { sha256 } from '../base/files.ts';
import { type Evra, formatEvra, parseEvra } from './evr.ts';
import { isPackageName } from './rpm-names.ts';
import { fault } from './signature/header.ts';
import { mainEntries, numbersOf, TAG, textsOf } from './signature/main-header.ts';
import { padded, type RpmStart, readRpmStart } from './signature/rpm-signature.ts';

/** What a package is, whoever signed it and whatever it is said to be. */
export interface PackageIdentity extends Evra {
  /**
   * SHA-256 of the main header in lower-case hex, as rpm's SHA256HEADER would have it. The header holds the payload's digest, so
   * this names all that the package installs, and stays the same when the file is signed.
   */
  readonly header: string;
  /** `name-[epoch:]version-release.arch` */
  readonly nevra: string;
  readonly name: string;
  /** `src` for a source package. */
  readonly arch: string;
  /** File name of the source package that it was built from; undefined for one that is a source package itself. */
  readonly sourceRpm: string | undefined;
  /** SHA-256 of the file in lower-case hex. */
  readonly sha256: string;
  /** Bytes of the file. */
  readonly size: number;
}

/** Number of SHA-256 among the digests of OpenPGP, as the header names the kind of the payload's digest. */
const SHA256 = 8n;

/**
 * Returns what an RPM file is, computed from its bytes: the digest that its signature header claims is not read, and the payload
 * is compared with the digest in the main header. A good header over another payload is refused (I18).
 * @throws NightlyError `verify` naming file and fault.
 */
export async function readPackageIdentity(path: string): Promise<PackageIdentity> {
  const start = await readRpmStart(path);
  const { size } = await stat(path);
  try {
    return { ...namesIn(start), header: sha256(start.header), ...(await checkPayload(path, start)), size };
  } catch (error) {
    if (!(error instanceof NightlyError)) throw error;
    throw new NightlyError('verify', `${path} is not the package that its header says: ${error.message}.`, {
      hint: 'Nothing of it is used. Have it built or sent again.',
    });
  }
}

function namesIn({ header }: RpmStart): Pick<PackageIdentity, 'nevra' | 'sourceRpm' | 'name' | keyof Evra> {
  const entries = mainEntries(header);
  const text = (tag: number): string => textsOf(entries.find((one) => one.tag === tag))[0] ?? '';
  const number = (tag: number) => numbersOf(entries.find((one) => one.tag === tag))[0];
  const name = text(TAG.name);
  const arch = number(TAG.sourcePackage) === 1n ? 'src' : text(TAG.arch);
  const epoch = String(number(TAG.epoch) ?? 0n);
  const evra = formatEvra({ epoch, version: text(TAG.version), release: text(TAG.release), arch });
  const parsed = parseEvra(evra);
  if (parsed === undefined || !isPackageName(name)) throw fault('its header names no package');
  return { name, ...parsed, nevra: `${name}-${evra}`, sourceRpm: text(TAG.sourceRpm) || undefined };
}

/** Reads the file once, for the digest of all of it and for that of its payload. */
async function checkPayload(path: string, start: RpmStart): Promise<{ readonly sha256: string }> {
  const entries = mainEntries(start.header);
  const wanted = textsOf(entries.find(({ tag }) => tag === TAG.payloadDigest))[0];
  const kind = numbersOf(entries.find(({ tag }) => tag === TAG.payloadDigestKind))[0];
  if (wanted === undefined || kind !== SHA256) throw fault('it does not name the SHA-256 of its payload');
  const from = start.lead.length + padded(start.signatureSize) + start.header.length;
  const [file, payload] = [createHash('sha256'), createHash('sha256')];
  let at = 0;
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) {
    const bytes: Buffer = chunk;
    file.update(bytes);
    if (at + bytes.length > from) payload.update(bytes.subarray(Math.max(0, from - at)));
    at += bytes.length;
  }
  if (payload.digest('hex') !== wanted) throw fault('its payload has another digest');
  return { sha256: file.digest('hex') };
}
