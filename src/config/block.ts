import { z } from 'zod';

/** What the blocks of a configuration are made for: the folder that relative paths in the file are taken from. */
export interface Here {
  readonly folder: string;
}

type Shape = Readonly<Record<string, z.ZodType>>;

type Camel<Key> = Key extends `${infer First}-${infer Rest}` ? `${First}${Capitalize<Camel<Rest>>}` : Key;

type NameOf<Key, Names> = Key extends keyof Names ? Names[Key] & string : Camel<Key> & string;

type Held<Value> = Value extends (infer Item)[] ? readonly Item[] : Value;

type Required<S extends Shape, Names> = {
  readonly [Key in keyof S as undefined extends z.output<S[Key]> ? never : NameOf<Key, Names>]: Held<z.output<S[Key]>>;
};

type Optional<S extends Shape, Names> = {
  readonly [Key in keyof S as undefined extends z.output<S[Key]> ? NameOf<Key, Names> : never]?: Held<
    Exclude<z.output<S[Key]>, undefined>
  >;
};

/** What becomes of a map with these keys: camelCase names, and no key at all where there is no value. */
export type Block<S extends Shape, Names> = Flat<Required<S, Names> & Optional<S, Names>>;

/** The same type without `&`, so that editors show its keys. */
export type Flat<T> = { [Key in keyof T]: T[Key] };

/** A type with some of its optional keys filled in. */
export type Filled<T, Keys extends keyof T> = Flat<Omit<T, Keys> & { readonly [Key in Keys]-?: NonNullable<T[Key]> }>;

/**
 * A map in the configuration whose keys are written kebab-case and used camelCase; other keys are faults. A schema in it
 * does the rest: it has the default, makes the value into what the program uses, and says in its description what the key
 * is for. The type of the block is inferred from it.
 * @param names for keys that are not called the same with a unit left out, as in `{ wait: 'waitSeconds' }`
 */
export function block<
  S extends Shape,
  const Names extends { readonly [Key in keyof S]?: string } = Record<never, never>,
>(shape: S, names?: Names) {
  return z.strictObject(shape).transform((written): Block<S, Names> => {
    const renamed: Readonly<Record<string, string | undefined>> = names ?? {};
    const entries = Object.entries(written).filter(([, value]) => value !== undefined);
    const used = entries.map(([key, value]) => [renamed[key] ?? camelCase(key), value] as const);
    // The one place where what the type says of all keys at once is taken on trust; test/config/block.test.ts tries it.
    return Object.fromEntries(used) as Block<S, Names>;
  });
}

function camelCase(key: string): string {
  return key.replaceAll(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
