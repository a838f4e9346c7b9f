import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { NightlyError } from '../base/errors.ts';
import { bytesIfThere, ifThere, makeFolder, readTextIfExists, sha256, writeFileAtomic } from '../base/files.ts';
import { parseCheckpointText } from '../log/checkpoint.ts';
import type { TreeHead } from '../log/consistency.ts';
import { cosignedAt } from '../log/cosignature.ts';
import { logFault } from '../log/log-fault.ts';
import { parseNote } from '../log/note.ts';
import { formatVkey, type NoteKey } from '../log/note-keys.ts';

/**
 * What a witness remembers: for each log the checkpoint that it cosigned last, as a note with its cosignature, in
 * `FOLDER/HEX/checkpoint`, where HEX is the SHA-256 of the log's origin. `FOLDER/witness` has the witness's public key: a key whose folder
 * is gone must not begin anew, for it could cosign another history of a log.
 */
export interface WitnessState {
  /** The tree that was cosigned last. @throws NightlyError `log` while what is remembered of that log is damaged. */
  last(origin: string): TreeHead | undefined;
  /** The note of it; undefined also for a name that is none. @param hex SHA-256 of the origin @throws as `last` */
  checkpoint(hex: string): string | undefined;
  /** Remembers a checkpoint; returns once it is safe on disk. @param note with the cosignature */
  keep(origin: string, tree: TreeHead, note: string): Promise<void>;
}

const IDENTITY = 'witness';

/** Makes the folder of a new witness. @throws NightlyError `usage` when there is one already. */
export async function makeWitnessState(folder: string, witness: NoteKey): Promise<void> {
  if ((await ifThere(readdir(folder)))?.length) {
    throw new NightlyError('usage', `The state folder ${folder} is not empty.`, {
      hint: 'A new witness begins with a new folder: name another with --state.',
    });
  }
  await makeFolder(folder);
  await writeFileAtomic(join(folder, IDENTITY), `${formatVkey(witness)}\n`);
}

/** Checks that a folder is that of a witness. @throws NightlyError `config` when it is that of another or not there. */
export async function requireWitnessState(folder: string, witness: NoteKey): Promise<void> {
  const identity = await readTextIfExists(join(folder, IDENTITY));
  if (identity !== `${formatVkey(witness)}\n`) {
    const why = identity === undefined ? 'has no state of a witness' : `is that of the witness ${identity.trim()}`;
    throw new NightlyError('config', `The state folder ${folder} ${why}, not that of ${formatVkey(witness)}.`, {
      hint: 'A witness that forgets what it cosigned could cosign another history of a log. Name the folder that was made with this key; if it is lost, make a new key with --new-key and have the logs use that one.',
    });
  }
}

/**
 * Reads all that a witness remembers. Nobody else may work with the folder by then. Of a log whose checkpoint is damaged nothing is
 * told or cosigned until it is put back (I15).
 * @param told is given what is wrong with each of these
 */
export async function openWitnessState(
  folder: string,
  witness: NoteKey,
  told: (fault: NightlyError) => void,
): Promise<WitnessState> {
  const kept = new Map<string, Kept | NightlyError>();
  const get = (hex: string): Kept | undefined => {
    const found = kept.get(hex);
    if (found instanceof NightlyError) throw found;
    return found;
  };
  for (const hex of await readdir(folder)) {
    if (!/^[0-9a-f]{64}$/.test(hex)) continue;
    const note = await bytesIfThere(join(folder, hex, 'checkpoint'));
    if (!note) continue;
    const found = readKept(note, hex, witness, join(folder, hex, 'checkpoint'));
    kept.set(hex, found);
    if (found instanceof NightlyError) told(found);
  }
  return {
    last: (origin) => get(sha256(origin))?.tree,
    checkpoint: (hex) => get(hex)?.note,
    async keep(origin, tree, note) {
      const hex = sha256(origin);
      await writeFileAtomic(join(folder, hex, 'checkpoint'), note);
      kept.set(hex, { tree, note });
    },
  };
}

/** What was cosigned last of a log. */
interface Kept {
  readonly tree: TreeHead;
  readonly note: string;
}

function readKept(bytes: Uint8Array, hex: string, witness: NoteKey, file: string): Kept | NightlyError {
  try {
    return { tree: treeIn(bytes, hex, witness, file), note: Buffer.from(bytes).toString() };
  } catch (error) {
    if (error instanceof NightlyError) return error;
    throw error;
  }
}

function treeIn(bytes: Uint8Array, hex: string, witness: NoteKey, file: string): TreeHead {
  const place = { file };
  const { text, signatures } = parseNote(bytes, place);
  const { origin, size, root } = parseCheckpointText(text, place);
  const isOwn = signatures.some(
    (one) => one.name === witness.name && one.id === witness.id && cosignedAt(text, one, witness) !== undefined,
  );
  if (sha256(origin) === hex && isOwn) return { size, root };
  throw logFault(
    place,
    'This is not what the witness wrote there: its cosignature is missing, or the log another one.',
  );
}
