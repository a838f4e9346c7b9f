import { join } from 'node:path';
import { filesBelow, readTextIfExists, sizeIfThere } from '../../base/files.ts';
import { RECORD_FILE, SUMS } from '../../build/build-files.ts';
import { isPathBelow } from '../../build/record-values.ts';
import { filesOfImage } from '../../images/image.ts';
import { folderOfKey, isSignatureName, signatureName, signedName } from '../../published/paths.ts';
import { type Copies, compareFile } from './compare-file.ts';
import type { ReconcileFile, Unrepairable } from './reconcile-plan.ts';
import type { Meta } from './records-there.ts';

/** A build that is to be on the target. */
export interface BuildHere {
  /** `ID/ARCH`. */
  readonly build: string;
  readonly meta: Meta;
  /** Whether it came to the target by its release, with the texts of that release. */
  readonly isReleased: boolean;
  /** Whether its images stay away if they are: they are older than the target keeps images. */
  readonly isOld: boolean;
}

/** What the comparisons of builds add to. */
export interface BuildFindings {
  readonly images: ReconcileFile[];
  readonly records: ReconcileFile[];
  /** Signatures of images and records. */
  readonly signatures: ReconcileFile[];
  readonly unrepairable: Unrepairable[];
  /** Paths that a build accounts for, whether they are there or not. */
  readonly known: Set<string>;
}

/** Compares all files of a build with the local ones: its images, then its records, each with its signature. */
export async function compareBuild(one: BuildHere, copies: Copies, found: BuildFindings): Promise<void> {
  await compareImages(one, copies, found);
  await compareRecords(one, copies, found);
}

async function compareImages({ build, meta, isOld }: BuildHere, copies: Copies, found: BuildFindings): Promise<void> {
  const { root, there } = copies;
  for (const { path: name, size } of Object.values(meta.images ?? {}).flatMap(filesOfImage)) {
    const path = `${folderOfKey(build)}/${name}`;
    found.known.add(path);
    if (isOld && there(path) === undefined) continue;
    const fault = await compareSigned(path, copies, found);
    if (fault) found.images.push(fault);
    else if (there(path) !== size && (await sizeIfThere(join(root, path))) === undefined) {
      const what = there(path) === undefined ? 'it is not there' : `it has ${there(path)} bytes instead of ${size}`;
      const hint = 'Make it again: "atomic-nightly images", with the id of the build.';
      found.unrepairable.push({ what: path, why: `${what}, and ${root} no longer has it`, hint });
    }
  }
}

async function compareRecords(
  { build, meta, isReleased }: BuildHere,
  copies: Copies,
  found: BuildFindings,
): Promise<void> {
  const folder = join(copies.root, 'builds', build);
  const texts = isReleased ? await releaseFiles(folder) : [];
  const statements = (meta.rebuilds ?? []).map(({ statement }) => statement);
  for (const name of [...(await summedFiles(folder)), ...texts, ...statements, SUMS, RECORD_FILE]) {
    const path = `${folderOfKey(build)}/${name}`;
    if (found.known.has(path)) continue;
    found.known.add(path);
    const fault = await compareSigned(path, copies, found);
    if (fault) found.records.push(fault);
  }
}

/** Compares a file and its signature. @returns what is wrong with the file; a signature that is wrong is added here */
async function compareSigned(
  path: string,
  copies: Copies,
  { known, signatures }: BuildFindings,
): Promise<ReconcileFile | undefined> {
  const signature = signatureName(path);
  known.add(signature);
  const fault = await compareFile(copies, path);
  const bytes = await sizeIfThere(join(copies.root, signature));
  // Of one size whatever it signs, so it goes with a file that is not the same.
  const other = fault && bytes !== undefined && ({ path: signature, bytes, why: 'content' } as const);
  const wrong = other || (await compareFile(copies, signature));
  if (wrong) signatures.push(wrong);
  return fault;
}

/** Returns the texts of a release, without its own records and the mail; signatures go with their files. */
async function releaseFiles(folder: string): Promise<string[]> {
  const names = await filesBelow(join(folder, 'release'));
  const isSent = (name: string): boolean => !/^logs\/|\.(eml|ndjson)$/.test(name);
  const isSignature = (name: string): boolean => isSignatureName(name) && names.includes(signedName(name));
  return names.filter((name) => isSent(name) && !isSignature(name)).map((name) => `release/${name}`);
}

/** Returns the files that a build's SHA256SUMS names, without the images. */
async function summedFiles(folder: string): Promise<string[]> {
  const text = (await readTextIfExists(join(folder, SUMS))) ?? '';
  const paths = text.split('\n').flatMap((line) => /^[0-9a-f]{64} {2}(.+)$/.exec(line)?.[1] ?? []);
  return paths.filter(isPathBelow);
}
