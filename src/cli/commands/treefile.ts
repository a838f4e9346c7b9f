import type { SourcePlace } from '../../base/errors.ts';
import { hostBasearch } from '../../treefile/arch.ts';
import { readTreefile } from '../../treefile/read.ts';
import type { Treefile } from '../../treefile/treefile.ts';
import { placeText, shortPath } from '../../treefile/treefile-faults.ts';
import { KEY_NAMES, type KeyName, keySpec } from '../../treefile/treefile-keys.ts';
import { defineCommand } from '../define.ts';
import { flag, needed, text } from '../inputs.ts';
import { printJson } from '../print.ts';

/**
 * `atomic-nightly treefile FILE`: the flattened treefile, with where each value came from. As JSON: `path`, `values`,
 * `origins` (key, or key/entry, to file, line and column), `files`, `notes`, `digest`.
 * @param options.arch RPM's name of the base architecture; default: this machine's
 * @throws NightlyError `treefile`, `unsupported`.
 */
export const treefile = defineCommand({
  name: 'treefile',
  section: 'Setting up',
  summary: 'read a treefile with all it includes; print the flattened result and where each value came from',
  arguments: { file: needed('FILE', 'top treefile, JSON or YAML', 'file') },
  options: {
    arch: text('ARCH', "base architecture; default: this machine's"),
    json: flag('for scripts'),
  },
  examples: ['atomic-nightly treefile treefiles/centos-stream-atomic-host.yaml --arch aarch64'],
  async run({ file, arch, json }, { print }) {
    const read = await readTreefile(file, { basearch: arch ?? hostBasearch() });
    if (json) {
      const { path, values, origins, files, notes, digest } = read;
      printJson({ path, values, origins: Object.fromEntries(origins), files, notes, digest }, print);
    } else print(describeTreefile(read));
    return 0;
  },
});

/** Describes a treefile for people: a line a key, or a line an entry below its key, each with its place in the right column. */
function describeTreefile(treefile: Treefile): string {
  const { notes, files, digest } = treefile;
  const rows = KEY_NAMES.flatMap((key) => keyRows(key, treefile));
  // Long values push their own place to the right, not everybody's.
  const width = Math.min(60, Math.max(...rows.map(([text]) => text.length)));
  return [
    ...rows.map(([text, place]) => (place ? `${text.padEnd(width)}  ${placeText(place)}` : text)),
    '',
    'Files it depends on:',
    ...files.map((path) => `  ${shortPath(path)}`),
    `Digest: ${digest}`,
    ...notes.map(({ place, message }) => `Note: ${placeText(place)}: ${message}`),
  ].join('\n');
}

type Row = readonly [text: string, place: SourcePlace | undefined];

function keyRows(key: KeyName, { values, origins }: Treefile): Row[] {
  const value = values[key];
  if (value === undefined) return [];
  const { merge } = keySpec(key);
  if (merge === 'first') return [[`${key}: ${oneLine(value)}`, origins.get(key)]];
  if (merge === 'map') {
    return [
      [`${key}:`, undefined],
      ...Object.entries(value).map(([name, one]): Row => [`  ${name}: ${oneLine(one)}`, origins.get(`${key}/${name}`)]),
    ];
  }
  const entries: readonly unknown[] = Array.isArray(value) ? value : [];
  return [
    [`${key}: (${entries.length})`, undefined],
    ...entries.map(
      (entry, index): Row => [
        `  ${oneLine(entry)}`,
        origins.get(`${key}/${String(entry)}`) ?? origins.get(`${key}/${index}`),
      ],
    ),
  ];
}

/**
 * Returns a value on one line; of a script its first line that is no shebang, comment or shell option, and its length.
 */
function oneLine(value: unknown): string {
  if (typeof value !== 'string') return JSON.stringify(value);
  if (!value.includes('\n')) return value;
  const lines = value.trimEnd().split('\n');
  const telling = lines.find((line) => line.trim() !== '' && !/^\s*(#|set\s)/.test(line)) ?? lines[0] ?? '';
  return `${telling.trim()} … (${lines.length} lines)`;
}
