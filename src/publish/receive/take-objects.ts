import { createWriteStream, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { ByteReader } from '../../base/byte-reader.ts';
import { NightlyError } from '../../base/errors.ts';
import { makeFolderSync, sha256 } from '../../base/files.ts';
import type { Task } from '../../base/task.ts';
import { type FilezObject, filezFile, filezObject } from '../../ostree/filez.ts';
import { asArray, asNumber, decodeVariant, swap32, variantMap } from '../../ostree/gvariant.ts';
import { parseCommit, parseDirTree } from '../../ostree/objects.ts';
import { HEADER_BYTES, type ObjectId, parseHeader } from '../push/push-protocol.ts';

/** Content up to this size is looked at in memory, which is much faster. */
const SMALL = 1 << 20;

/** Folders and commits beyond this size ostree itself refuses (`OSTREE_MAX_METADATA_SIZE`). */
const MAX_METADATA = 128 << 20;

/** What was announced. */
interface Announced {
  readonly objects: number;
  readonly bytes: number;
}

/**
 * Takes objects off the stream into the staging repository. Each is looked at before the next: its checksum, its structure, and
 * that it is nothing that ostree would not make.
 * @returns their paths, relative to the repository
 * @throws NightlyError `ostree` for an object that is not what its name says, `unsupported` for one that was not announced.
 */
export async function takeObjects(
  reader: ByteReader,
  { objects, bytes }: Announced,
  staging: string,
  task: Task,
): Promise<Set<string>> {
  const taken = new Set<string>();
  const folders = new Set<string>();
  let left = bytes;
  for (let count = 0; count < objects; count += 1) {
    const object = parseHeader(await reader.bytes(HEADER_BYTES));
    left -= object.bytes;
    if (left < 0) throw notAnnounced(`more than the ${bytes} bytes that were announced`);
    if (taken.has(object.path)) throw notAnnounced(`${object.path} twice`);
    taken.add(object.path);
    const path = join(staging, object.path);
    const folder = dirname(path);
    if (!folders.has(folder)) makeFolderSync(folder);
    folders.add(folder);
    if (object.bytes <= SMALL || object.type !== 'filez') {
      if (object.bytes > MAX_METADATA) throw damaged(object, `it is larger than ${MAX_METADATA} bytes`);
      const content = await reader.bytes(object.bytes);
      checkContent(object, content);
      writeFileSync(path, content);
    } else {
      await pipeline(reader.pieces(object.bytes), createWriteStream(path));
      checkFile(object, await filezFile(path));
    }
    if (count % 200 === 199) task.progress(count, objects, 'objects');
  }
  if (left !== 0) throw notAnnounced(`fewer than the ${bytes} bytes that were announced`);
  return taken;
}

/** @throws NightlyError `ostree` */
function checkContent(object: ObjectId, content: Buffer): void {
  const { type, checksum } = object;
  if (type === 'filez') {
    checkFile(object, filezObject(content));
    return;
  }
  if (type !== 'commitmeta' && sha256(content) !== checksum) throw damaged(object, 'its content has another checksum');
  try {
    if (type === 'commit') parseCommit(checksum, content);
    else if (type === 'dirtree') checkNames(checksum, content);
    else if (type === 'dirmeta') checkFolderMeta(content);
    else variantMap(decodeVariant('a{sv}', content));
  } catch (error) {
    throw damaged(object, error instanceof Error ? error.message : String(error));
  }
}

function checkFile(object: ObjectId, found: FilezObject | undefined): void {
  if (found === undefined || found.checksum !== object.checksum)
    throw damaged(object, 'its content has another checksum');
  const { mode, size, linkTarget } = found.header;
  if (isLink(mode) ? size === 0 && linkTarget !== '' : isRegular(mode) && linkTarget === '') return;
  throw damaged(object, `it is neither a file nor a symbolic link (mode ${mode.toString(8)})`);
}

/** Kinds of files (stat(2)); ostree knows no others (`ostree_validate_structureof_file_mode`). */
const kind = (mode: number): number => mode & 0o170000;
const isLink = (mode: number): boolean => kind(mode) === 0o120000;
const isRegular = (mode: number): boolean => kind(mode) === 0o100000;

function checkNames(checksum: string, content: Buffer): void {
  const { files, folders } = parseDirTree(checksum, content);
  const names = [...files, ...folders].map(({ name }) => name);
  if (new Set(names).size !== names.length) throw new Error('it has two entries of one name');
}

function checkFolderMeta(content: Buffer): void {
  const [, , mode] = asArray(decodeVariant('(uuua(ayay))', content));
  if (kind(swap32(asNumber(mode))) !== 0o040000) throw new Error('it is not that of a folder');
}

function damaged({ type, checksum }: ObjectId, why: string): NightlyError {
  return new NightlyError('ostree', `The ${type} ${checksum} is damaged: ${why.replace(/\.$/, '')}.`, {
    hint: 'Run "ostree fsck" on your repository, and commit or pull again what it names.',
  });
}

function notAnnounced(what: string): NightlyError {
  return new NightlyError('unsupported', `The push sent ${what}.`, {
    hint: 'Use the same version of atomic-nightly on both sides, and push again when nothing else changes the repository.',
  });
}
