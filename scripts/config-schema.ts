import { fileURLToPath } from 'node:url';
import { configJsonSchema } from '../src/config/json-schema.ts';
import { writeJson } from '../src/base/files.ts';

// Writes config-schema.json anew after a change of src/config/schema.ts: npx tsx scripts/config-schema.ts
await writeJson(fileURLToPath(new URL('../config-schema.json', import.meta.url)), configJsonSchema());
