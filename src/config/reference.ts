import type { JsonSchema } from '../base/yaml/known-keys.ts';

/**
 * Returns the reference of all keys as Markdown, from the descriptions and defaults of the schema. docs/configuration.md is
 * this, and a test keeps it current.
 */
export function configReference(schema: JsonSchema): string {
  return [
    '# Configuration reference',
    '',
    'Every key of `atomic-nightly.yaml`. `atomic-nightly init` writes a commented file to start from. This page is generated',
    'from the schema (`npx tsx scripts/config-schema.ts`); a key is required unless it has a default or is called optional.',
    ...new Set(section('The file', schema)),
    '',
  ].join('\n');
}

/** The table of a map's keys, then the tables of what is in them; several kinds of a block have some of these in common. */
function section(title: string, schema: JsonSchema): string[] {
  const keys = Object.entries(schema.properties ?? {});
  if (keys.length === 0) return [];
  const required = new Set(Array.isArray(schema['required']) ? schema['required'] : []);
  const rows = keys.map(
    ([key, one]) =>
      `| \`${key}\` | ${cell(shapeOf(one))} | ${otherwise(one, required.has(key))} | ${cell(text(one))} |`,
  );
  const at = title === 'The file' ? '' : `${title.replaceAll('`', '').replace(/ .*/, '')}.`;
  return [
    ['', `## ${title}`, '', '| Key | Value | Default | What it is for |', '|---|---|---|---|', ...rows].join('\n'),
    ...keys.flatMap(([key, one]) => inside(`${at}${key}`, one)),
  ];
}

/** The sections of the maps that a value can be or hold. */
function inside(path: string, schema: JsonSchema): string[] {
  const options = schema.anyOf ?? schema.oneOf;
  if (options) return options.flatMap((one) => inside(path, one));
  if (schema.items) return inside(`${path}[]`, schema.items);
  if (typeof schema.additionalProperties === 'object') return inside(`${path}.NAME`, schema.additionalProperties);
  const type = schema.properties?.['type']?.const;
  return section(type === undefined ? `\`${path}\`` : `\`${path}\` of type ${String(type)}`, schema);
}

function shapeOf(schema: JsonSchema): string {
  const options = schema.anyOf ?? schema.oneOf;
  if (options) return [...new Set(options.map(shapeOf))].join(' or ');
  if (schema.const !== undefined) return `\`${String(schema.const)}\``;
  if (Array.isArray(schema['enum'])) return schema['enum'].map((one) => `\`${String(one)}\``).join(', ');
  if (schema.items) return `list of ${shapeOf(schema.items)}`;
  const words: Readonly<Record<string, string>> = { string: 'text', integer: 'whole number', boolean: 'true or false' };
  return words[String(schema['type'])] ?? 'map';
}

function otherwise(schema: JsonSchema, required: boolean): string {
  const value = schema['default'];
  if (value !== undefined) return `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``;
  return required ? 'required' : 'optional';
}

function text(schema: JsonSchema): string {
  return typeof schema['description'] === 'string' ? schema['description'] : '';
}

/** Text that does not end a cell of a table. */
function cell(words: string): string {
  return words.replaceAll('|', '\\|').replaceAll(/\*/g, '\\*');
}
