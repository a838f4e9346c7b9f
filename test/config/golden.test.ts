import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { NightlyError } from '../../src/base/errors.ts';
import { knownKeys } from '../../src/base/yaml/known-keys.ts';
import { configJsonSchema } from '../../src/config/json-schema.ts';
import { parseConfig } from '../../src/config/load.ts';
import { configTemplate } from '../../src/config/template.ts';
import { temporaryFolder } from '../support/tmp.ts';

// What a text means, to the letter. Update with "npx vitest run test/config/golden.test.ts -u" when it is meant to change.

const HERE = new URL('./golden/', import.meta.url);
const DOCS = new URL('../../docs/', import.meta.url);

/** A folder with the files that the configurations here name. */
function folderWithFiles(): string {
  const folder = temporaryFolder();
  for (const name of ['host.yaml', 'c.yaml', 'issues.md', 'ca.pem', 'known-issues.md'])
    writeFileSync(join(folder, name), '');
  for (const name of ['types', 'images', 'image-types']) mkdirSync(join(folder, name));
  return folder;
}

/** What a text is to the program: the whole configuration, or the whole message. */
function meaning(text: string): string {
  const folder = folderWithFiles();
  const plain = (json: string) => json.replaceAll(folder, '/FOLDER');
  try {
    const config = parseConfig(text, join(folder, 'atomic-nightly.yaml'));
    const shown = (_: string, value: unknown) =>
      value instanceof Map ? { map: [...value.entries()] } : value === undefined ? { undefined: true } : value;
    return `${plain(JSON.stringify(sorted(config), shown, 1))}\n`;
  } catch (error) {
    if (!(error instanceof NightlyError)) throw error;
    return `${plain(error.message)}\n`;
  }
}

/** The same with the keys of every object sorted, but for names, whose order counts. */
function sorted(value: unknown, at = ''): unknown {
  if (Array.isArray(value)) return value.map((one) => sorted(one));
  if (typeof value !== 'object' || value === null || value instanceof Map) return value;
  const entries = Object.entries(value).map(([key, inner]) => [key, sorted(inner, key)] as const);
  const named = at === 'targets' || at === 'streams';
  return Object.fromEntries(named ? entries : entries.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

test('a configuration with every key is the same to the program', async () => {
  const text = readFileSync(new URL('everything.yaml', HERE), 'utf8');
  await expect(meaning(text)).toMatchFileSnapshot('golden/everything.txt');
});

test('a configuration with a fault of every kind gets the same messages', async () => {
  const text = readFileSync(new URL('faulty.yaml', HERE), 'utf8');
  await expect(meaning(text)).toMatchFileSnapshot('golden/faulty.txt');
});

test('each fault alone gets the same message', async () => {
  const faulty: unknown = parse(readFileSync(new URL('faulty.yaml', HERE), 'utf8'));
  const start: unknown = parse(readFileSync(new URL('start.yaml', HERE), 'utf8'));
  const parts = Object.entries(isMap(faulty) ? faulty : {}).flatMap(([key, block]) => {
    if (Array.isArray(block)) return block.map((one) => ({ [key]: [one] }));
    if (!isMap(block)) return [{ [key]: block }];
    return Object.entries(block).map(([name, one]) => ({ [key]: { [name]: one } }));
  });
  const messages = parts.map((part) => {
    const shown = meaning(JSON.stringify(merged(start, part)));
    return shown.startsWith('{') ? 'nothing is wrong\n' : shown;
  });
  await expect(messages.join('\n')).toMatchFileSnapshot('golden/faults-apart.txt');
});

test('what init writes is the same text', async () => {
  await expect(configTemplate('lab', { treefile: '"host.yaml"' })).toMatchFileSnapshot('golden/template.txt');
});

test('every example of the documentation means the same', async () => {
  const start = readFileSync(new URL('start.yaml', HERE), 'utf8');
  const parts = readdirSync(DOCS)
    .filter((name) => name.endsWith('.md'))
    .toSorted()
    .flatMap((name) => {
      const text = readFileSync(new URL(name, DOCS), 'utf8');
      const examples = [...text.matchAll(/^```yaml\n([\s\S]*?)^```/gm)].map((one) => placed(one[1] ?? '', start));
      return examples.map((one) => (one === undefined ? '' : `# ${name}\n${meaning(one)}`));
    });
  await expect(parts.filter((one) => one !== '').join('\n')).toMatchFileSnapshot('golden/documentation.txt');
});

/** An example put over a configuration that has what it leaves out; undefined for one that is no configuration. */
function placed(example: string, start: string): string | undefined {
  const given: unknown = parse(example);
  if (typeof given !== 'object' || given === null) return undefined;
  const { properties: top } = configJsonSchema();
  const ofStream = knownKeys(configJsonSchema(), ['streams', 'nightly'], undefined);
  const has = (known: readonly string[]) => Object.keys(given).every((key) => known.includes(key));
  if (has(Object.keys(top ?? {}))) return JSON.stringify(merged(parse(start), given));
  return has(ofStream) ? JSON.stringify(merged(parse(start), { streams: { nightly: given } })) : undefined;
}

function merged(under: unknown, over: unknown): unknown {
  if (!isMap(under) || !isMap(over)) return over;
  return { ...under, ...Object.fromEntries(Object.entries(over).map(([key, one]) => [key, merged(under[key], one)])) };
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
