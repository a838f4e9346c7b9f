import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { writeJson } from '../src/base/files.ts';
import { configJsonSchema } from '../src/config/json-schema.ts';
import { configReference } from '../src/config/reference.ts';

// Writes config-schema.json and docs/configuration.md anew after a change of src/config/: npx tsx scripts/config-schema.ts
const schema = configJsonSchema();
await writeJson(fileURLToPath(new URL('../config-schema.json', import.meta.url)), schema);
await writeFile(new URL('../docs/configuration.md', import.meta.url), configReference(schema));
