import { z } from 'zod';

/**
 * Records keep on disk and on targets the keys of the formats they follow (`ostree-commit`, `atomic-nightly.signed-by`); inside
 * they are values like any other (`ostreeCommit`, `signedBy`). Which keys have another name inside follows from the schema.
 */

type Camel<Key extends string> = Key extends `${infer Head}-${infer Tail}` ? `${Head}${Capitalize<Camel<Tail>>}` : Key;

type InsideKey<Key> = Key extends `${'atomic-nightly' | 'coreos-assembler'}.${infer Rest}`
  ? Camel<Rest>
  : Key extends string
    ? Camel<Key>
    : Key;

/** What is stored, as it is inside. */
export type Inside<Stored> = Stored extends readonly unknown[]
  ? { [Index in keyof Stored]: Inside<Stored[Index]> }
  : Stored extends object
    ? { [Key in keyof Stored as InsideKey<Key>]: Inside<Stored[Key]> }
    : Stored;

/** Returns the name inside of a stored key. */
export function insideKey(stored: string): string {
  const bare = stored.replace(/^(atomic-nightly|coreos-assembler)\./, '');
  return bare.replace(/-([^-])/g, (_, letter: string) => letter.toUpperCase());
}

/** What goes before a key that is not known here and would be taken inside for one that is. */
const FOREIGN = 'stored:';

type Convert = (value: unknown) => unknown;

/** Both ways; undefined for values whose keys are the same inside. Neither looks at what the schema has checked. */
export interface KeyCodec {
  readonly decode: Convert;
  readonly encode: Convert;
}

/**
 * Derives from a record's schema how its keys are renamed. Order and unknown keys are kept, so that what is encoded again has
 * the bytes it was decoded from.
 */
export function keyCodec(schema: unknown): KeyCodec | undefined {
  if (schema instanceof z.ZodObject) return objectCodec(schema.shape);
  if (schema instanceof z.ZodArray) return arrayCodec(keyCodec(schema.element));
  if (schema instanceof z.ZodRecord) return membersCodec(keyCodec(schema.valueType));
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodExactOptional) return keyCodec(schema.unwrap());
  const parts: readonly unknown[] =
    schema instanceof z.ZodTuple ? schema.def.items : schema instanceof z.ZodUnion ? schema.options : [];
  if (parts.some(keyCodec) || UNREADABLE.some((type) => schema instanceof type))
    throw new Error('Keys cannot be renamed in this kind of schema: keyCodec has to learn it first.');
  return undefined;
}

/** What may have an object in it that nobody looks into here. */
const UNREADABLE = [z.ZodPipe, z.ZodNullable, z.ZodDefault, z.ZodLazy, z.ZodIntersection, z.ZodReadonly, z.ZodCatch];

function objectCodec(shape: Readonly<Record<string, unknown>>): KeyCodec | undefined {
  const known = Object.entries(shape).map(([stored, schema]) => ({
    stored,
    inside: insideKey(stored),
    codec: keyCodec(schema),
  }));
  if (known.every(({ stored, inside, codec }) => stored === inside && !codec)) return undefined;
  const [byStored, byInside] = [
    new Map(known.map((one) => [one.stored, one])),
    new Map(known.map((one) => [one.inside, one])),
  ];
  if (byInside.size < known.length) throw new Error('Two keys of a record have one name inside.');
  const isTaken = (key: string): boolean => byInside.has(key) || key.startsWith(FOREIGN);
  return {
    decode: onEntries(([key, value]) => {
      const found = byStored.get(key);
      if (found) return [found.inside, found.codec ? found.codec.decode(value) : value];
      return [isTaken(key) ? `${FOREIGN}${key}` : key, value];
    }),
    encode: onEntries(([key, value]) => {
      const found = byInside.get(key);
      if (found) return [found.stored, found.codec ? found.codec.encode(value) : value];
      if (byStored.has(key)) throw new Error(`The key "${key}" is named ${insideKey(key)} inside.`);
      return [key.startsWith(FOREIGN) ? key.slice(FOREIGN.length) : key, value];
    }),
  };
}

function arrayCodec(member: KeyCodec | undefined): KeyCodec | undefined {
  if (!member) return undefined;
  const all = (convert: Convert) => (value: unknown) => (Array.isArray(value) ? value.map(convert) : value);
  return { decode: all(member.decode), encode: all(member.encode) };
}

/** The codec of a record whose keys somebody chose: only the members are renamed. */
function membersCodec(member: KeyCodec | undefined): KeyCodec | undefined {
  if (!member) return undefined;
  const each = (convert: Convert) => onEntries(([key, value]) => [key, convert(value)]);
  return { decode: each(member.decode), encode: each(member.encode) };
}

function onEntries(convert: (entry: [string, unknown]) => [string, unknown]): Convert {
  return (value) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).map(convert))
      : value;
}
