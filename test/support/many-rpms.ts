import { createHash } from 'node:crypto';
import { mkdir, readFile, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { padded, readRpmStart } from '../../src/rpm/signature/rpm-signature.ts';
import { buildMiniRpm, MINI_EPOCH } from './mini-rpm.ts';

/** Digests of the signature header that change with the main header (rpm's rpmtag.h). */
const [SHA1, SHA256, MD5] = [269, 273, 1004];

/** What is replaced: two letters and five digits around it. */
export const MODEL = 'zz-model-00000';

export interface ManyRpm {
  readonly name: string;
  /** Absolute. */
  readonly file: string;
  readonly sha256: string;
}

/**
 * Makes valid unsigned RPMs by the thousand: one is built, and its name replaced by others of the same length, in lead, header and
 * the digests over these. The payload stays, and `rpmkeys -K` takes each.
 * @param at which they are, from 0
 * @param bytes of each of the `files` in a package
 * @param place where the RPM of a name is put; default: `DIR/NAME-1.0-1.noarch.rpm`
 */
export async function manyRpms(
  dir: string,
  count: number,
  { at = 0, bytes = 20_000, files = 1, place = (name: string) => `${name}-1.0-1.noarch.rpm` } = {},
): Promise<ManyRpm[]> {
  const content = Array.from({ length: files }, (_, index) => {
    return { path: `/usr/share/many/file${index === 0 ? '' : `-${index}`}`, text: 'x'.repeat(bytes) };
  });
  const model = await buildMiniRpm({ name: MODEL, version: '1.0', release: '1', files: content });
  const rename = await rpmRenamer(model);
  const made: ManyRpm[] = [];
  for (let index = at; index < at + count; index += 1) {
    const name = modelName(index);
    const out = rename(name);
    const file = join(dir, place(name));
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, out);
    await utimes(file, MINI_EPOCH, MINI_EPOCH);
    made.push({ name, file, sha256: digest('sha256', out) });
  }
  return made;
}

/** Returns what gives copies of a valid unsigned RPM in whose name `MODEL` is replaced by other names of this length. */
export async function rpmRenamer(rpm: string): Promise<(name: string) => Buffer> {
  const whole = await readFile(rpm);
  const { signature, signatureSize, header: main } = await readRpmStart(rpm);
  const start = 96 + padded(signatureSize);
  return (name) => {
    const out = replaced(whole, MODEL, name);
    const header = out.subarray(start, start + main.length);
    for (const { tag, data } of signature) {
      const at = whole.indexOf(data);
      if (tag === SHA1) out.write(digest('sha1', header), at, 'latin1');
      if (tag === SHA256) out.write(digest('sha256', header), at, 'latin1');
      if (tag === MD5) createHash('md5').update(out.subarray(start)).digest().copy(out, at);
    }
    return out;
  };
}

/** A name as long as `MODEL`. */
export const modelName = (index: number): string => `${letters(index)}-model-${String(index).padStart(5, '0')}`;

/** Two letters, so that the packages are in many folders. */
const letters = (index: number): string =>
  String.fromCharCode(97 + (index % 26)) + String.fromCharCode(97 + (Math.floor(index / 26) % 26));

const digest = (kind: string, bytes: Uint8Array): string => createHash(kind).update(bytes).digest('hex');

function replaced(bytes: Buffer, from: string, to: string): Buffer {
  const out = Buffer.from(bytes);
  for (let at = out.indexOf(from); at >= 0; at = out.indexOf(from, at + 1)) out.write(to, at, 'latin1');
  return out;
}
