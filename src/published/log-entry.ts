import { z } from 'zod';
import { NightlyError } from '../base/errors.ts';
import { readRecord, recordFormat } from '../base/read-record.ts';
import { architecture, buildId, count, pathBelow, refName, sha256Hex, word } from '../build/record-values.ts';
import { LOG_HINT, type LogPlace, logFault } from '../log/log-fault.ts';
import { strictUtf8 } from '../log/strict-text.ts';

/**
 * Entries of the release log: a line with the name and version of the format, and a line with a JSON object in its one canonical
 * spelling (RFC 8785 for values whose numbers are whole). Whoever has the values can so make the bytes, and compares without a
 * parser. docs/release-log.md describes every kind.
 */

/** The first line of every entry; a later version is another line. */
const HEADER = 'atomic-nightly/1\n';
const ANY_VERSION = /^atomic-nightly\/[^\n]*\n/;
const NEWER_VERSION = /^atomic-nightly\/(?:[2-9]|[1-9]\d+)\n$/;

/** The length stands in two bytes before an entry. */
const MOST_ENTRY_BYTES = 65_534;

/** Splits of one entry; so many numbers have room in the header of each. */
const MOST_PARTS = 9999;

/** No escape is ever in a path, so that a program without a JSON reader finds a file by its spelling. */
const path = pathBelow.refine((text) => !text.includes('"'), 'must not have a quotation mark');

const digest = { sha256: sha256Hex, size: count };
const file = z.strictObject({ path, ...digest });

/** Each list has one order: it stands for a set. */
const sorted = <Item extends z.ZodType>(item: Item, key: (one: z.output<Item>) => string) =>
  z
    .array(item)
    .refine(
      (all) => all.every((one, index) => index === 0 || key(all[index - 1] as z.output<Item>) < key(one)),
      'must be in order, each only once',
    );
const files = sorted(file, (one) => one.path);
const words = sorted(z.string().regex(/^[\x21-\x7e]{1,200}$/, 'must be printable ASCII without blanks'), (one) => one);

/** What people typed. */
const text = z
  .string()
  .max(1000)
  .refine((one) => !/[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]/u.test(one), 'must be one line of text');

const part = z
  .strictObject({ number: z.int().min(1).max(MOST_PARTS), of: z.int().min(2).max(MOST_PARTS) })
  .refine(({ number, of }) => number <= of, 'must not count more parts than there are')
  .exactOptional();

const build = {
  stream: word,
  id: buildId,
  arch: architecture,
  commit: sha256Hex,
  /** SHA256SUMS, and meta.json as it was then. */
  sums: z.strictObject(digest),
  record: z.strictObject(digest),
  /** Paths relative to the build's folder. */
  files,
  part,
};

const schema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('ref'),
    ref: refName,
    commit: sha256Hex,
    parent: sha256Hex.exactOptional(),
    version: text.exactOptional(),
    /** The commit's time, seconds since the epoch. */
    timestamp: z.int(),
  }),
  z.strictObject({ kind: z.literal('build'), ...build }),
  z.strictObject({
    kind: z.literal('build-changed'),
    ...build,
    change: z.literal([
      'images',
      'signed',
      'superseded',
      'approved',
      'released',
      'withdrawn',
      'retracted',
      'rebuilt',
      'repaired',
    ]),
    gone: sorted(path, (one) => one),
  }),
  z.strictObject({
    kind: z.literal('release'),
    stream: word,
    id: buildId,
    arch: architecture,
    ref: refName,
    commit: sha256Hex,
    /** The nightly build that was promoted. */
    of: z.strictObject({ id: buildId, commit: sha256Hex }),
    /** The release before it. */
    previous: buildId.exactOptional(),
    /** Seconds since the epoch. */
    at: count,
  }),
  z.strictObject({
    kind: z.literal('withdraw'),
    stream: word,
    arch: architecture,
    ids: sorted(buildId, (one) => one),
    /** The build that takes them back, its commit, and the build whose tree it has. */
    by: buildId,
    commit: sha256Hex,
    previous: buildId,
    reason: text,
  }),
  z.strictObject({
    kind: z.literal('prune'),
    /** Public URL of the target that gave it up, without a slash at its end; entries of earlier versions name none. */
    target: z
      .string()
      .regex(/^https?:\/\/[!#-[\]-~]+[!#-.0-[\]-~]$/, 'must be a URL without a slash at its end')
      .exactOptional(),
    commits: sorted(sha256Hex, (one) => one),
    builds: sorted(
      z.strictObject({ id: buildId, arch: architecture, gone: sorted(z.literal(['images', 'logs']), (one) => one) }),
      ({ id, arch }) => `${id}/${arch}`,
    ),
    part,
  }),
  z.strictObject({
    kind: z.literal('rpms'),
    folder: path,
    files: files.refine(
      (all) => all.some((one) => one.path === 'repodata/repomd.xml'),
      'must have repodata/repomd.xml',
    ),
  }),
  z.strictObject({
    kind: z.literal('key'),
    use: z.literal(['log', 'openpgp', 'statement']),
    stream: word.exactOptional(),
    current: words,
    next: words,
    file: file.exactOptional(),
  }),
  z.strictObject({ kind: z.literal('tool'), file, version: text }),
]);

const FORMAT = recordFormat({ schema, hint: LOG_HINT });

/** Returns how entries call the target with that public URL, which must be one. */
export const loggedUrl = (url: string): string => new URL(url).href.replace(/\/+$/, '');

/** An entry of the release log, or a part of one. */
export type LogEntry = z.output<typeof schema>;
export type LogKind = LogEntry['kind'];
export type EntryOf<Kind extends LogKind> = Extract<LogEntry, { readonly kind: Kind }>;

/** A file that an entry vouches for. */
export type LoggedFile = z.output<typeof file>;

/** Lists of an entry that are divided when it is too long. */
const LISTS: Readonly<Partial<Record<LogKind, readonly string[]>>> = {
  build: ['files'],
  'build-changed': ['files', 'gone'],
  prune: ['builds', 'commits'],
};

/**
 * Returns an entry as the log has it: one, or several where it is longer than an entry may be. Each of these has all that is not a
 * list, and `part`; they belong into the log one behind another, under one checkpoint. Lists may be given in any order.
 * @throws NightlyError `bug` for what is not an entry; `log` for one that is too long and cannot be divided.
 */
export function formatEntry(entry: LogEntry): Buffer[] {
  const inOrder = ordered(entry) as LogEntry;
  const { error } = schema.safeParse(inOrder);
  if (error) throw new NightlyError('bug', `An entry of kind ${entry.kind} is malformed.`, { cause: error });
  const whole = bytesOf(inOrder);
  if (whole.length <= MOST_ENTRY_BYTES) return [whole];
  const parts = divided(inOrder);
  return parts.map((one, index) => bytesOf({ ...one, part: { number: index + 1, of: parts.length } }));
}

/**
 * Reads an entry; undefined for one of somebody else's format, which is in the log for others.
 * @throws NightlyError `log` for one that is not spelled as this format has it, naming all that is wrong, and for a later version.
 */
export function parseEntry(bytes: Uint8Array, place: LogPlace): LogEntry | undefined {
  const whole = strictUtf8(bytes);
  const [first] = (whole === undefined ? undefined : ANY_VERSION.exec(whole)) ?? [];
  if (whole === undefined || first === undefined) return undefined;
  if (first !== HEADER) {
    const begins = `begins with "${first.trimEnd().slice(0, 40)}"`;
    const message = NEWER_VERSION.test(first)
      ? `This entry was written by a newer atomic-nightly: it ${begins}, this one reads "${HEADER.trimEnd()}".`
      : `This entry ${begins}, which is no version of its format.`;
    throw logFault(place, message, 'Use the version of atomic-nightly that wrote it, or a later one.');
  }
  const json = whole.slice(HEADER.length, -1);
  const entry = readEntry(json, place);
  if (bytesOf(entry).equals(bytes)) return entry;
  throw logFault(
    place,
    'This entry is not in the one spelling that its format has: keys in order, no blanks, a newline at its end.',
  );
}

function readEntry(json: string, place: LogPlace): LogEntry {
  try {
    return readRecord(json, FORMAT, 'This entry');
  } catch (error) {
    if (!(error instanceof NightlyError && error.code === 'record')) throw error;
    throw logFault(place, error.message);
  }
}

/** Whether two parts are of one entry: all is the same in them but the lists. */
export function isSameEntry(one: LogEntry, other: LogEntry): boolean {
  const bare = (entry: LogEntry): string => {
    const { part: _, ...rest } = { part: undefined, ...entry };
    for (const list of LISTS[entry.kind] ?? []) Object.assign(rest, { [list]: [] });
    return canonical(rest);
  };
  return bare(one) === bare(other);
}

function bytesOf(entry: object): Buffer {
  return Buffer.from(`${HEADER}${canonical(entry)}\n`);
}

/** The one spelling of a value: keys in the order of their code units, no blanks. */
function canonical(value: unknown): string {
  return JSON.stringify(withSortedKeys(value));
}

function withSortedKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withSortedKeys);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(([, member]) => member !== undefined);
  return Object.fromEntries(
    entries.toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([key, one]) => [key, withSortedKeys(one)]),
  );
}

/** All lists in their order. */
function ordered(value: unknown): unknown {
  if (Array.isArray(value)) {
    const members = value.map((one) => ({ one: ordered(one), key: keyOf(one) }));
    return members.toSorted((a, b) => (a.key < b.key ? -1 : Number(a.key > b.key))).map(({ one }) => one);
  }
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, ordered(one)]));
}

function keyOf(member: unknown): string {
  if (typeof member !== 'object' || member === null) return String(member);
  if ('path' in member) return String(member.path);
  return 'id' in member && 'arch' in member ? `${String(member.id)}/${String(member.arch)}` : '';
}

/** Fills one part after the other with what is in the lists. */
function divided(entry: LogEntry): object[] {
  const lists = LISTS[entry.kind] ?? [];
  const empty = { ...entry, ...Object.fromEntries(lists.map((list) => [list, []])) };
  const room = MOST_ENTRY_BYTES - bytesOf({ ...empty, part: { number: MOST_PARTS, of: MOST_PARTS } }).length;
  const parts: Record<string, unknown[]>[] = [];
  let left = 0;
  for (const [list, members] of Object.entries(entry).filter(([key]) => lists.includes(key))) {
    for (const member of members as readonly unknown[]) {
      // With the comma.
      const bytes = Buffer.byteLength(canonical(member)) + 1;
      if (bytes > left || parts.length === 0) {
        parts.push(Object.fromEntries(lists.map((one) => [one, []])));
        left = room;
      }
      left -= bytes;
      parts.at(-1)?.[list]?.push(member);
    }
  }
  if (parts.length < 2 || parts.length > MOST_PARTS) {
    throw new NightlyError('log', `An entry of kind ${entry.kind} is too long for the log.`, {
      hint: `An entry has less than ${MOST_ENTRY_BYTES + 1} bytes, and at most ${MOST_PARTS} parts.`,
    });
  }
  return parts.map((one) => ({ ...empty, ...one }));
}
