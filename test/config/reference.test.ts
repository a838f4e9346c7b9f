import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import type { JsonSchema } from '../../src/base/yaml/known-keys.ts';
import { configJsonSchema } from '../../src/config/json-schema.ts';
import { configReference } from '../../src/config/reference.ts';

test('docs/configuration.md is current', async () => {
  const page = await readFile(new URL('../../docs/configuration.md', import.meta.url), 'utf8');
  // Otherwise: npx tsx scripts/config-schema.ts
  expect(page).toBe(configReference(configJsonSchema()));
});

/** Every key of a schema with the path of the map it is in. */
function keysOf(schema: JsonSchema, path = ''): string[] {
  const named = Object.entries(schema.properties ?? {}).flatMap(([key, one]) => [
    `${path} ${key}`,
    ...keysOf(one, path === '' ? key : `${path}.${key}`),
  ]);
  const options = [...(schema.anyOf ?? []), ...(schema.oneOf ?? [])].flatMap((one) => keysOf(one, path));
  const items = schema.items ? keysOf(schema.items, `${path}[]`) : [];
  const more = schema.additionalProperties;
  return [...named, ...options, ...items, ...(typeof more === 'object' ? keysOf(more, `${path}.NAME`) : [])];
}

test('every key of the schema has its line in the reference, and no other key has one', () => {
  const lines: string[] = [];
  let path = '';
  for (const line of configReference(configJsonSchema()).split('\n')) {
    if (line.startsWith('## ')) path = /`(.*)`/.exec(line)?.[1] ?? '';
    const key = /^\| `([^`]+)`/.exec(line)?.[1];
    if (key !== undefined) lines.push(`${path} ${key}`);
  }
  const keys = new Set(keysOf(configJsonSchema()));
  expect([...new Set(lines)].toSorted()).toEqual([...keys].toSorted());
  expect(keys.size).toBeGreaterThan(100);
});
