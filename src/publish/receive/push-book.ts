import { appendFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { bytesIfThere, makeFolder, writeJson } from '../../base/files.ts';
import { type RecordOf, readRecordIfGood, recordFormat } from '../../base/read-record.ts';
import { RECEIVE_FOLDER } from './staging.ts';

/** A line of the log of pushes (docs/formats.md). */
export interface PushLine {
  /** RFC 3339, UTC. */
  readonly at: string;
  readonly name: string;
  /** Address of the machine, as sshd gives it. */
  readonly from?: string;
  readonly refs: readonly { readonly ref: string; readonly old?: string; readonly new: string }[];
  /** Size of the objects that were sent. */
  readonly bytes: number;
  readonly verdict: string;
}

/** Appends a line, as a whole. */
export async function logPush(file: string, line: PushLine): Promise<void> {
  await makeFolder(dirname(file));
  await appendFile(file, `${JSON.stringify(line)}\n`);
}

const BOOK = recordFormat({
  schema: z.looseObject({
    /** Bytes of all pushes that were accepted, by name. */
    bytes: z.record(z.string(), z.int().min(0)),
    /** Who moved a ref last, and when. */
    refs: z.array(z.looseObject({ ref: z.string(), name: z.string(), at: z.string() })),
  }),
  hint: '',
});

type Book = RecordOf<typeof BOOK>;

const bookPath = (root: string): string => join(root, RECEIVE_FOLDER, 'pushes.json');

/** Reads what is remembered of earlier pushes; one that was lost begins anew. */
export async function readBook(root: string): Promise<Book> {
  return readRecordIfGood(await bytesIfThere(bookPath(root)), BOOK) ?? { bytes: {}, refs: [] };
}

/** Notes a push that was accepted; the caller holds the lock. */
export async function notePush(
  root: string,
  { name, at, refs, bytes }: Pick<PushLine, 'name' | 'at' | 'refs' | 'bytes'>,
): Promise<void> {
  const book = await readBook(root);
  const moved = refs.map(({ ref }) => ({ ref, name, at }));
  const others = book.refs.filter((known) => !moved.some(({ ref }) => ref === known.ref));
  await writeJson(bookPath(root), {
    ...book,
    bytes: { ...book.bytes, [name]: (book.bytes[name] ?? 0) + bytes },
    refs: [...others, ...moved],
  });
}
