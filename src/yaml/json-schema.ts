import { z } from 'zod';
import { configSchema } from './schema.ts';

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

/**
 * The configuration's JSON Schema for editors (draft 7, which is what YAML language servers read). The file
 * config-schema.json at the top of the project is this, and a test keeps it current.
 */
export function configJsonSchema(): JsonSchema {
  const { $schema, ...rest } = z.toJSONSchema(configSchema, { io: 'input', target: 'draft-7' });
  return { $schema, title: 'atomic-nightly.yaml', ...rest } as JsonSchema;
}

/** The keys that may stand in the map at that path of the configuration. */
export function knownKeys(path: readonly PropertyKey[], input: unknown): readonly string[] {
  let schemas: readonly JsonSchema[] = [configJsonSchema()];
  let value = input;
  for (const step of path) {
    value = typeof value === 'object' && value !== null ? Reflect.get(value, step) : undefined;
    schemas = schemas.flatMap((schema) => alternatives(schema)).flatMap((schema) => child(schema, step));
    schemas = schemas.flatMap(alternatives).filter((schema) => fits(schema, value));
  }
  return [...new Set(schemas.flatMap(alternatives).flatMap((schema) => Object.keys(schema.properties ?? {})))];
}

function alternatives(schema: JsonSchema): readonly JsonSchema[] {
  const options = schema.anyOf ?? schema.oneOf;
  return options ? options.flatMap(alternatives) : [schema];
}

function child(schema: JsonSchema, step: PropertyKey): JsonSchema[] {
  if (typeof step === 'number') return schema.items ? [schema.items] : [];
  const named = schema.properties?.[String(step)];
  if (named) return [named];
  return typeof schema.additionalProperties === 'object' ? [schema.additionalProperties] : [];
}

/** Of alternatives told apart by a fixed `type`, keep the one that was written. */
function fits(schema: JsonSchema, value: unknown): boolean {
  const tag = schema.properties?.['type']?.const;
  if (tag === undefined || typeof value !== 'object' || value === null) return true;
  return Reflect.get(value, 'type') === tag;
}
