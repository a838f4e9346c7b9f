import { z } from 'zod';
import type { JsonSchema } from '../base/yaml/known-keys.ts';
import { schemasFor } from './schema.ts';

/**
 * The configuration's JSON Schema for editors (draft 7, which is what YAML language servers read). The file
 * config-schema.json at the top of the project is this, and a test keeps it current.
 */
export function configJsonSchema(): JsonSchema {
  const { $schema, ...rest } = z.toJSONSchema(schemasFor({ folder: '/' }).config, { io: 'input', target: 'draft-7' });
  return { $schema, title: 'atomic-nightly.yaml', ...rest } as JsonSchema;
}
