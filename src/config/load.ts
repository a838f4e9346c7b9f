import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type { z } from 'zod';
import { NightlyError } from '../base/errors.ts';
import { isErrno } from '../base/files.ts';
import { knownKeys } from '../base/yaml/known-keys.ts';
import { parseYaml } from '../base/yaml/yaml-document.ts';
import { dotted, type Fault, faultsError, schemaFaults } from '../base/yaml/yaml-faults.ts';
import type { Config } from './config.ts';
import { configJsonSchema } from './json-schema.ts';
import { hostArchitecture, normalise } from './normalise.ts';
import { sinkSchema } from './notify.ts';
import { checkRules, type Parts } from './rules.ts';
import { configSchema, streamSchema, targetSchema } from './schema.ts';
import { learnSecrets } from './secrets.ts';

const HINT =
  'Correct the places above; "atomic-nightly init" writes a commented example, config-schema.json helps editors.';

/**
 * Reads and checks a configuration file. Relative paths in it are taken from its folder; nothing of the environment
 * gets into it. From then on the secrets it names are kept out of messages and logs.
 * @throws NightlyError `config`; its message lists every fault at once, one a line, as `file:line:col: what`.
 */
export async function loadConfig(path: string): Promise<Config> {
  const config = parseConfig(await readConfig(path), path);
  await learnSecrets(config);
  return config;
}

/** The same for text at hand; `path` says where it would be. @throws NightlyError `config`. */
export function parseConfig(text: string, path: string): Config {
  const { input, places } = parseYaml(text, path, HINT);
  const folder = dirname(resolve(path));
  const parsed = configSchema.safeParse(input);
  const faults: Fault[] = parsed.success
    ? []
    : schemaFaults(parsed.error.issues, { input, places, knownKeys: (at) => knownKeys(configJsonSchema(), at, input) });
  for (const breach of checkRules(salvage(input, folder))) {
    faults.push({ place: places.value(breach.path), message: dotted(breach.path) + breach.message });
  }
  if (!parsed.success || faults.length > 0) throw faultsError(path, faults, HINT);
  return {
    ...normalise(parsed.data, resolve(path), folder),
    placeOf: (...keys) => places.value(keys),
  };
}

async function readConfig(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT')) {
      throw new NightlyError('config', `There is no configuration file ${path}.`, {
        hint: 'Run "atomic-nightly init" to write one to start from, or name another with --config.',
        cause: error,
      });
    }
    const why = error instanceof Error ? error.message : String(error);
    throw new NightlyError('config', `The configuration file ${path} cannot be read: ${why}.`, { cause: error });
  }
}

/** What passes the schema by itself, so that one wrong value does not hide the faults in the rest. */
function salvage(input: unknown, folder: string): Parts {
  const targets = entriesOf(input, 'targets');
  const streams = entriesOf(input, 'streams');
  const work = member(input, 'work') ?? './work';
  const imageTemplates = member(input, 'image-templates');
  const sinks = member(input, 'notify');
  return {
    folder,
    work: typeof work === 'string' ? work : undefined,
    imageTemplates: typeof imageTemplates === 'string' ? imageTemplates : undefined,
    targetNames: targets.map(([name]) => name),
    targets: valid(targets, targetSchema),
    streamNames: streams.map(([name]) => name),
    streams: valid(streams, streamSchema),
    hostArch: hostArchitecture(),
    notify: valid(Array.isArray(sinks) ? sinks.map((sink, index) => [String(index), sink] as const) : [], sinkSchema),
  };
}

function valid<Schema extends z.ZodType>(
  entries: readonly (readonly [string, unknown])[],
  schema: Schema,
): Record<string, z.output<Schema>> {
  return Object.fromEntries(
    entries.flatMap(([name, value]) => {
      const parsed = schema.safeParse(value);
      return parsed.success ? [[name, parsed.data]] : [];
    }),
  );
}

function entriesOf(input: unknown, key: string): [string, unknown][] {
  const value = member(input, key);
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.entries(value) : [];
}

function member(input: unknown, key: string): unknown {
  return typeof input === 'object' && input !== null ? Reflect.get(input, key) : undefined;
}
