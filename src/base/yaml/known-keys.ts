/** A JSON Schema as far as this program reads it back. */
export interface JsonSchema {
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly additionalProperties?: JsonSchema | boolean;
  readonly items?: JsonSchema;
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
  readonly const?: unknown;
  readonly [keyword: string]: unknown;
}

/** Returns the keys that may stand in the map at that path of a file with that schema. */
export function knownKeys(schema: JsonSchema, path: readonly PropertyKey[], input: unknown): readonly string[] {
  let schemas = [schema];
  let value = input;
  for (const step of path) {
    value = typeof value === 'object' && value !== null ? Reflect.get(value, step) : undefined;
    schemas = schemas.flatMap(alternatives).flatMap((one) => child(one, step));
    schemas = schemas.flatMap(alternatives).filter((one) => fits(one, value));
  }
  return [...new Set(schemas.flatMap(alternatives).flatMap((one) => Object.keys(one.properties ?? {})))];
}

function alternatives(schema: JsonSchema): JsonSchema[] {
  const options = schema.anyOf ?? schema.oneOf;
  return options ? options.flatMap(alternatives) : [schema];
}

function child(schema: JsonSchema, step: PropertyKey): JsonSchema[] {
  if (typeof step === 'number') return schema.items ? [schema.items] : [];
  const named = schema.properties?.[String(step)];
  if (named) return [named];
  return typeof schema.additionalProperties === 'object' ? [schema.additionalProperties] : [];
}

/** Whether a value was written as this alternative: alternatives are distinguished by a fixed `type`. */
function fits(schema: JsonSchema, value: unknown): boolean {
  const tag = schema.properties?.['type']?.const;
  if (tag === undefined || typeof value !== 'object' || value === null) return true;
  return Reflect.get(value, 'type') === tag;
}
