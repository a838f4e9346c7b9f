import { stringify } from 'yaml';
import { NightlyError } from '../../base/errors.ts';
import { didYouMean } from '../../base/nearest.ts';
import { loadConfig } from '../../config/load.ts';
import { defineCommand } from '../define.ts';
import { flag, optional } from '../inputs.ts';
import { printJson } from '../print.ts';

/** `atomic-nightly config show`: the configuration as the program uses it, every default filled in. */
export const configShow = defineCommand({
  name: 'config show',
  summary: 'show the configuration as it is used: every default filled in, paths absolute, durations in seconds',
  arguments: { part: optional('PART', 'only this part, as in streams.nightly.seed') },
  options: { json: flag('for scripts') },
  notes: 'Secrets are not in it: it names the files that hold them.',
  examples: ['atomic-nightly config show', 'atomic-nightly config show streams.nightly'],
  async run({ part, json }, { config: path, print }) {
    const { placeOf: _, ...config } = await loadConfig(path);
    const shown = partOf(written(config), part, path);
    if (json) printJson(shown, print);
    else print(stringify(shown, { lineWidth: 0, aliasDuplicateObjects: false }).trimEnd());
    return 0;
  },
});

/** Maps whose keys are names that people chose; the keys of all others are written with `-`. */
const NAMES = /^(?:targets|streams|content\.keys|service\..*\.(?:publish|subscribe)|streams\.[^.]+\..*\.releases)$/;

/** Returns a part of the configuration with the keys spelled as in the file. */
function written(value: unknown, path = ''): unknown {
  if (Array.isArray(value)) return value.map((one) => written(one, path));
  if (value instanceof Map) return written(Object.fromEntries(value), path);
  if (typeof value !== 'object' || value === null) return value;
  const spelled = (key: string) =>
    NAMES.test(path) ? key : key.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  return Object.fromEntries(
    Object.entries(value).map(([key, one]) => [spelled(key), written(one, path === '' ? key : `${path}.${key}`)]),
  );
}

/** @throws NightlyError `usage` when there is no such part. */
function partOf(config: unknown, part: string | undefined, file: string): unknown {
  let value = config;
  for (const [index, key] of (part?.split('.') ?? []).entries()) {
    const known = typeof value === 'object' && value !== null ? Object.keys(value) : [];
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) {
      const at = part?.split('.').slice(0, index).join('.') || file;
      throw new NightlyError('usage', `There is no "${key}" in ${at}.${didYouMean(key, known)}`, {
        hint: known.length === 0 ? `${at} has no parts.` : `There is: ${known.join(', ')}.`,
      });
    }
    value = Reflect.get(value, key);
  }
  return value;
}
