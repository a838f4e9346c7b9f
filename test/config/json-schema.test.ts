import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { knownKeys as knownIn } from '../../src/base/yaml/known-keys.ts';
import { configJsonSchema } from '../../src/config/json-schema.ts';

test('config-schema.json is current', async () => {
  const text = await readFile(new URL('../../config-schema.json', import.meta.url), 'utf8');
  // Otherwise: npx tsx scripts/config-schema.ts
  expect(JSON.parse(text)).toEqual(configJsonSchema());
});

const knownKeys = (path: readonly PropertyKey[], input: unknown) => knownIn(configJsonSchema(), path, input);

test('the keys known at a path follow the written type', () => {
  const input = { targets: { a: { type: 'directory' }, b: { type: 'rsync' } } };
  expect(knownKeys([], input)).toEqual([
    'name',
    'work',
    'engine',
    'image-templates',
    'targets',
    'streams',
    'log',
    'koji',
    'content',
    'builders',
    'audit',
    'rebuilders',
    'pages',
    'notify',
    'service',
  ]);
  expect(knownKeys(['targets', 'a'], input)).toEqual(['type', 'path', 'serve', 'url', 'ca-file', 'retention', 'pages']);
  expect(knownKeys(['targets', 'b'], input)).toContain('destination');
  expect(knownKeys(['targets', 'b', 'ssh'], input)).toEqual(['identity-file', 'known-hosts-file', 'port']);
  expect(knownKeys(['streams', 's', 'smoke-test', 'allow-degraded', 0], input)).toEqual(['unit', 'reason']);
});
