import { join } from 'node:path';
import { bytesIfThere } from '../../base/files.ts';
import type { Task } from '../../base/task.ts';
import { decompressText } from '../../programs/decompress.ts';
import { FormatError } from '../format-error.ts';
import { parseRepomd, type RepodataFile } from '../repomd.ts';
import { hasDigest, readChecksum, urlInRepository } from '../rpm-names.ts';

/** What names all other metadata of a repository, with their checksums. */
export const REPOMD = 'repodata/repomd.xml';

/** Returns the paths of the metadata that a repomd.xml names, relative to the repository. @throws FormatError */
export function metadataFiles(repomd: string): string[] {
  return parseRepomd(repomd).files.flatMap(({ href }) => (href === '' ? [] : [href]));
}

/** Reads a file of a repository by its path there; undefined when it is not there. */
export type ReadRepositoryFile = (path: string) => Promise<Uint8Array | undefined>;

/** Reads the files of a repository in a folder. */
export const localRepository =
  (folder: string): ReadRepositoryFile =>
  (path) =>
    bytesIfThere(join(folder, path));

/**
 * Reads which packages a repository has, sources among them: their digests (`sha256:…`) by path.
 * @throws FormatError when the metadata is not whole, or not as createrepo_c writes it.
 */
export async function readPackageDigests(
  repomd: string,
  read: ReadRepositoryFile,
  task: Task,
): Promise<Map<string, string>> {
  const primary = parseRepomd(repomd).files.find(({ type }) => type === 'primary');
  if (!primary) throw new FormatError('it has no primary metadata');
  const bytes = await readNamed(primary, read);
  const text = await decompressText(primary.href, bytes, task).catch((error: unknown) => {
    throw new FormatError(error instanceof Error ? error.message : String(error), { cause: error });
  });
  return parsePackageDigests(text);
}

/** Reads a file that repomd.xml names. @throws FormatError when it is missing or has another checksum. */
export async function readNamed({ href, digest }: RepodataFile, read: ReadRepositoryFile): Promise<Uint8Array> {
  const bytes = await read(href);
  if (bytes === undefined) throw new FormatError(`${href} is missing`);
  if (digest === undefined || !hasDigest(bytes, digest)) {
    throw new FormatError(`${href} has another checksum than repomd.xml says`);
  }
  return bytes;
}

/**
 * Reads paths and digests out of a primary.xml that createrepo_c wrote, in a small part of the time that an XML reader takes
 * for all of it: it is read at every publication, of ten thousand packages.
 * @throws FormatError when it has another shape, or not as many packages as it says.
 */
export function parsePackageDigests(xml: string): Map<string, string> {
  const announced = /<metadata [^>]*\bpackages="(\d{1,9})"/.exec(xml.slice(0, 2000))?.[1];
  if (announced === undefined) throw new FormatError('it is not a primary.xml');
  const found = new Map<string, string>();
  for (let at = xml.indexOf('<package '); at >= 0; ) {
    const end = xml.indexOf('</package>', at);
    const [, kind = '', hex = ''] =
      /<checksum type="(\w+)" pkgid="YES">(\w+)<\/checksum>/.exec(xml.slice(at, at + 2000)) ?? [];
    const location = xml.indexOf('<location ', at);
    const href =
      location < 0 ? undefined : /^<location href="([^"<>]*)"/.exec(xml.slice(location, location + 2000))?.[1];
    if (end < 0 || href === undefined || location > end) throw new FormatError('a package in it has no location');
    const path = withoutEntities(href);
    urlInRepository('', path, 'a package in it');
    found.set(path, readChecksum(kind, hex) ?? '');
    at = xml.indexOf('<package ', end);
  }
  if (found.size !== Number(announced)) {
    throw new FormatError(`it says that it has ${announced} packages, and has ${found.size}`);
  }
  return found;
}

const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

const withoutEntities = (text: string): string =>
  text.replace(/&(amp|lt|gt|quot|apos);/g, (_, name) => ENTITIES[name] ?? '');
