import { z } from 'zod';
import { type ByteReader, EndedEarly } from '../../base/byte-reader.ts';
import { type ErrorCode, NightlyError } from '../../base/errors.ts';
import { harmlessLines } from '../../base/one-line.ts';
import { type RecordFormat, readRecord, recordFormat } from '../../base/read-record.ts';
import { isChecksum, type ObjectType, objectPath } from '../../ostree/objects.ts';
import { isRef } from '../../ostree/ref.ts';

/**
 * What `push` and `receive` say to each other over one ssh connection (docs/formats.md): messages are JSON, a line each;
 * behind some of them come as many bytes as they announce.
 */

/** A message is no longer than this, in bytes. */
const LONGEST_LINE = 1 << 20;
/** Refs that go in one push. */
const MOST_REFS = 1000;
/** A number of objects or bytes beyond this is nobody's. */
const MOST = 2 ** 46;

const checksum = z.string().refine(isChecksum, 'must be a SHA-256 in lower-case hex');
const ref = z.string().max(500).refine(isRef, 'must be the name of a ref');
const count = z.int().min(0).max(MOST);

const HELLO = z.strictObject({
  push: z.literal(1),
  /** Name of one of the roots the pusher may use; none: the only one. */
  root: z.string().max(200),
  refs: z
    .array(z.strictObject({ ref, commit: checksum, parent: checksum.exactOptional(), tag: z.boolean() }))
    .min(1)
    .max(MOST_REFS),
  /** Whether a commit may take the place of one that is not older. */
  older: z.boolean(),
  deltas: z.boolean(),
  /** Newest commits of each ref that are to stay. */
  keep: z.int().min(1).max(1e9).exactOptional(),
  dry: z.boolean(),
});

/** The first message of a push. */
export type Hello = z.infer<typeof HELLO>;

const STATE = z.strictObject({
  push: z.literal(1),
  /** What each ref names now, and the commit to compare with, in the order of the refs. */
  refs: z.array(z.strictObject({ at: checksum.exactOptional(), base: checksum.exactOptional() })).max(MOST_REFS),
});

/** How the refs stand on the far side. */
export type FarState = z.infer<typeof STATE>;

const ASK = z.strictObject({ ask: count.max(20_000_000) });
const HAVE = z.strictObject({ have: count });
const OBJECTS = z.strictObject({ objects: count, bytes: count });
const END = z.strictObject({ end: count });
const SAY = z.strictObject({ say: z.string() });
const REFUSED = z.strictObject({
  refused: z.strictObject({ code: z.string(), message: z.string(), hint: z.string().exactOptional() }),
});
const ACCEPTED = z.strictObject({
  accepted: z.strictObject({
    refs: z.array(z.strictObject({ ref, from: checksum.exactOptional(), to: checksum })).max(MOST_REFS),
    url: z.string().exactOptional(),
  }),
});

export type Accepted = z.infer<typeof ACCEPTED>['accepted'];

/** What a pusher may say after its first message, and the far side at any time. */
export const MESSAGES = {
  hello: recordFormat({ schema: HELLO, hint: '' }),
  fromPusher: recordFormat({ schema: z.union([ASK, OBJECTS]), hint: '' }),
  end: recordFormat({ schema: END, hint: '' }),
  state: recordFormat({ schema: z.union([STATE, REFUSED]), hint: '' }),
  have: recordFormat({ schema: z.union([HAVE, REFUSED]), hint: '' }),
  verdict: recordFormat({ schema: z.union([ACCEPTED, REFUSED, SAY]), hint: '' }),
};

/** Returns a message as it is sent. */
export function message(value: object): string {
  return `${JSON.stringify(value)}\n`;
}

/**
 * Reads the next message.
 * @throws NightlyError `unsupported` when it is none of these, EndedEarly at the end of the stream.
 */
export async function readMessage<Value>(reader: ByteReader, format: RecordFormat<Value>): Promise<Value> {
  const line = await reader.line(LONGEST_LINE).catch((error: unknown) => {
    if (error instanceof RangeError) throw notUnderstood(error.message);
    throw error;
  });
  if (line === undefined) throw new EndedEarly('the stream ended');
  return parseMessage(line, format);
}

/** The same for a line at hand. @throws NightlyError `unsupported`. */
export function parseMessage<Value>(line: string, format: RecordFormat<Value>): Value {
  try {
    return readRecord(line, format, 'message');
  } catch (error) {
    if (error instanceof NightlyError) throw notUnderstood(error.message);
    throw error;
  }
}

function notUnderstood(why: string): NightlyError {
  return new NightlyError('unsupported', `The other side does not keep to the push protocol: ${why}.`, {
    hint: 'Use the same version of atomic-nightly on both sides.',
  });
}

/** Codes that a refusal may have here; any other says that it was not allowed. */
const REFUSALS: readonly ErrorCode[] = [
  'config',
  'disk-full',
  'locked',
  'ostree',
  'signing',
  'target-differs',
  'target-moved',
  'target-older',
  'target-permission',
  'unsupported',
];

/** Returns the refusal of a far side as an error. */
export function refusalError(
  { code, message: why, hint }: z.infer<typeof REFUSED>['refused'],
  place: string,
): NightlyError {
  const known = REFUSALS.find((one) => one === code) ?? 'target-permission';
  return new NightlyError(known, `${place} refused the push: ${harmlessLines(why)}`, {
    hint: harmlessLines(hint ?? 'Nothing was changed there. Correct that and push again.'),
  });
}

/** Types of objects, by the byte that stands for each. */
const TYPES: readonly ObjectType[] = ['filez', 'dirtree', 'dirmeta', 'commit', 'commitmeta'];

/** Bytes of an object's id: its type and its checksum. */
export const ID_BYTES = 33;
/** Size of what precedes an object: its id and its length. */
export const HEADER_BYTES = ID_BYTES + 6;

export interface ObjectId {
  readonly type: ObjectType;
  readonly checksum: string;
}

/** Returns an object's id as it is sent. @param path relative to the repository, as `objectPath` gives it */
export function idOfPath(path: string): Buffer {
  const [, first, rest, type] = /^objects\/([0-9a-f]{2})\/([0-9a-f]{62})\.(\w+)$/.exec(path) ?? [];
  const names: readonly (string | undefined)[] = TYPES;
  const index = names.indexOf(type);
  if (first === undefined || rest === undefined || index < 0)
    throw new NightlyError('bug', `${path} is not an object.`);
  return Buffer.concat([Buffer.from([index + 1]), Buffer.from(first + rest, 'hex')]);
}

/** Returns what stands before an object. */
export function objectHeader(path: string, bytes: number): Buffer {
  const length = Buffer.alloc(6);
  length.writeUIntBE(bytes, 0, 6);
  return Buffer.concat([idOfPath(path), length]);
}

/** @throws NightlyError `unsupported` for a type that is not known. */
export function parseId(bytes: Uint8Array): ObjectId & { readonly path: string } {
  const type = TYPES[(bytes[0] ?? 0) - 1];
  if (type === undefined) throw notUnderstood(`an object of type ${bytes[0]}`);
  const hex = Buffer.from(bytes.subarray(1, ID_BYTES)).toString('hex');
  return { type, checksum: hex, path: objectPath(hex, type) };
}

/** Parses an id as `parseId` does, and the object's length in bytes. */
export function parseHeader(bytes: Buffer): ObjectId & { readonly path: string; readonly bytes: number } {
  return { ...parseId(bytes), bytes: bytes.readUIntBE(ID_BYTES, 6) };
}
