import { readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { NightlyError } from '../../base/errors.ts';
import { bytesIfThere, ifThere, makeFolder, readTextIfExists, sha256, syncFolder } from '../../base/files.ts';
import { linkOrCopy } from '../../base/link-or-copy.ts';
import { armoredSignature, dearmored } from '../../base/openpgp-packets.ts';
import type { Task } from '../../base/task.ts';
import { createRepoAside } from '../../programs/createrepo.ts';
import { FormatError } from '../format-error.ts';
import { parseRepomd } from '../repomd.ts';
import { localRepository, metadataFiles, REPOMD, readNamed, readPackageDigests } from './package-digests.ts';

/** Beside repomd.xml, armored: what dnf's repo_gpgcheck asks for. */
export const REPOMD_SIGNATURE = 'repodata/repomd.xml.asc';

/** Who signs repomd.xml. */
export interface RepomdSigning {
  /** Returns a binary detached signature. */
  sign(repomd: Uint8Array): Promise<Uint8Array>;
  /** Whether a signature, binary, is a good one of everybody who has to sign. */
  isGood(repomd: Uint8Array, signature: Uint8Array): Promise<boolean>;
}

export interface MetadataRequest {
  readonly folder: string;
  /** SHA-256 of each package that is there, by its path in the folder. */
  readonly packages: ReadonlyMap<string, string>;
  /** SHA-256 of a repomd.xml that is known to name packages of these digests; saves reading them out of it. */
  readonly known?: { readonly repomd: string; readonly packages: ReadonlyMap<string, string> } | undefined;
  /**
   * Seconds since the epoch, for every time in the metadata: the same packages at the same revision have the same metadata, byte for
   * byte. Without it the current time.
   */
  readonly revision?: number | undefined;
  /** Without it nothing is signed, and a signature that is there is removed. */
  readonly signing?: RepomdSigning | undefined;
}

export interface Metadata {
  /** SHA-256 of repomd.xml. */
  readonly repomd: string;
  /** Whether it is another than before. */
  readonly changed: boolean;
  /** Names of metadata files that repomd.xml has just ceased to name. */
  readonly dropped: readonly string[];
}

/**
 * Makes a repository's metadata name exactly the packages that it is to have, each with its digest, and signs it. createrepo_c runs
 * once, aside; what it made is compared with the list before anybody sees it. What readers see changes by two renames, the
 * signature first. Metadata files of before stay where they are.
 * @throws NightlyError `verify` naming each package that createrepo_c refuses, or that is another file than it should be; what
 *   `sign` throws.
 */
export async function renewMetadata(request: MetadataRequest, task: Task): Promise<Metadata> {
  const { folder, packages, signing } = request;
  const aside = join(folder, '.repodata-new');
  await rm(aside, { recursive: true, force: true });
  const before = await bytesIfThere(join(folder, REPOMD));
  const named = before && (await packagesOf(request, before, task));
  if (before && named && isSame(named, packages) && (await isSignedAsItShould(request, before))) {
    return { repomd: sha256(before), changed: false, dropped: [] };
  }
  await makeFolder(join(aside, 'repodata'));
  const bytes = await makeAside(request, { aside, before, named }, task);
  const signature = signing && armoredSignature(await signing.sign(bytes));
  if (signature !== undefined) await writeFile(join(aside, REPOMD_SIGNATURE), signature);
  await makeFolder(join(folder, 'repodata'));
  for (const href of metadataFiles(bytes.toString())) await rename(join(aside, href), join(folder, href));
  if (signature !== undefined) await rename(join(aside, REPOMD_SIGNATURE), join(folder, REPOMD_SIGNATURE));
  await rename(join(aside, REPOMD), join(folder, REPOMD));
  if (signature === undefined) await rm(join(folder, REPOMD_SIGNATURE), { force: true });
  await syncFolder(join(folder, 'repodata'));
  await rm(aside, { recursive: true });
  const names = new Set(namesIn(bytes.toString()));
  const dropped = namesIn(before?.toString()).filter((name) => !names.has(name));
  return { repomd: sha256(bytes), changed: true, dropped };
}

/** Names of metadata files in a repository that its repomd.xml does not name: those of an earlier one. */
export async function unnamedMetadata(folder: string): Promise<string[]> {
  const repomd = await readTextIfExists(join(folder, REPOMD));
  const named = new Set(namesIn(repomd));
  const there = (await ifThere(readdir(join(folder, 'repodata')))) ?? [];
  return there.filter((name) => /^[0-9a-f]{64}-/.test(name) && !named.has(name));
}

/** Packages with their digests, as the metadata that is there has them; undefined when a part of it is missing or damaged. */
async function packagesOf({ folder, known }: MetadataRequest, repomd: Buffer, task: Task) {
  const read = localRepository(folder);
  try {
    for (const file of parseRepomd(repomd.toString()).files) if (file.href !== '') await readNamed(file, read);
    if (known?.repomd === sha256(repomd)) return known.packages;
    return withoutKind(await readPackageDigests(repomd.toString(), read, task));
  } catch (error) {
    if (error instanceof FormatError) return undefined;
    throw error;
  }
}

/** Digests of another kind than SHA-256 are none here. */
const withoutKind = (digests: ReadonlyMap<string, string>): Map<string, string> =>
  new Map([...digests].map(([path, digest]) => [path, digest.replace(/^sha256:/, '')]));

async function isSignedAsItShould({ folder, signing }: MetadataRequest, repomd: Buffer): Promise<boolean> {
  const signature = await bytesIfThere(join(folder, REPOMD_SIGNATURE));
  // One that is left of a time when it was signed is as wrong as none.
  if (signature === undefined || !signing) return signature === undefined && !signing;
  return signing.isGood(repomd, dearmored(signature));
}

interface Before {
  readonly aside: string;
  readonly before: Buffer | undefined;
  readonly named: ReadonlyMap<string, string> | undefined;
}

/** Has createrepo_c make it, and compares what it made with what is wanted. @returns repomd.xml */
async function makeAside(request: MetadataRequest, { aside, before, named }: Before, task: Task): Promise<Buffer> {
  const { folder, packages, revision } = request;
  const list = join(aside, 'packages');
  await writeFile(list, [...packages.keys()].map((path) => `${path}\n`).join(''));
  for (const href of named && before ? metadataFiles(before.toString()) : []) {
    await linkOrCopy(join(folder, href), join(aside, href));
  }
  if (named && before) await writeFile(join(aside, REPOMD), before);
  // Of a package that was replaced under its name size and time may be the same: what was known of it is not what it is.
  const update = named !== undefined && [...named].every(([path, digest]) => (packages.get(path) ?? digest) === digest);
  const about = { folder, outside: aside, list, revision };
  for (const again of [update, false]) {
    const { refused } = await createRepoAside({ ...about, update: again }, task);
    if (refused.length > 0) throw refusedError(folder, refused, task);
    const bytes = await readFile(join(aside, REPOMD));
    const wrong = differences(
      packages,
      withoutKind(await readPackageDigests(bytes.toString(), localRepository(aside), task)),
    );
    if (wrong.length === 0) return bytes;
    // What it took over from the metadata of before may have been wrong.
    if (again) task.say('the metadata of before does not fit the packages; all of it is made anew');
    else throw differError(folder, wrong);
  }
  throw new NightlyError('bug', 'Metadata was made and not compared.');
}

const isSame = (one: ReadonlyMap<string, string>, other: ReadonlyMap<string, string>): boolean =>
  one.size === other.size && differences(one, other).length === 0;

function differences(wanted: ReadonlyMap<string, string>, made: ReadonlyMap<string, string>): string[] {
  const wrong: string[] = [];
  for (const [path, digest] of wanted) {
    const is = made.get(path);
    if (is === undefined) wrong.push(`${path} is missing`);
    else if (is !== digest) wrong.push(`${path} has the SHA-256 ${is}, not ${digest}`);
  }
  for (const path of made.keys()) if (!wanted.has(path)) wrong.push(`${path} is too much`);
  return wrong;
}

function refusedError(folder: string, refused: readonly string[], task: Task): NightlyError {
  const what = `createrepo_c refuses packages of the repository ${folder}:`;
  return new NightlyError('verify', `${what}\n${refused.map((line) => `  ${line}`).join('\n')}`, {
    hint: 'They are damaged or no RPM packages: have them fetched or built again. The repository has its old metadata.',
    log: task.logFile,
  });
}

function differError(folder: string, wrong: readonly string[]): NightlyError {
  const what = `Packages of the repository ${folder} are other files than they should be:`;
  return new NightlyError(
    'verify',
    `${what}\n${wrong
      .slice(0, 20)
      .map((line) => `  ${line}`)
      .join('\n')}`,
    {
      hint: 'Somebody changed them. The repository has its old metadata; have the packages fetched or signed again.',
    },
  );
}

/** One that cannot be read names nothing. */
function namesIn(repomd: string | undefined): string[] {
  try {
    return repomd === undefined ? [] : metadataFiles(repomd).map((href) => basename(href));
  } catch (error) {
    if (error instanceof FormatError) return [];
    throw error;
  }
}
