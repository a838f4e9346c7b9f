import { dirname, join, resolve } from 'node:path';
import type { z } from 'zod';
import { trustAt } from '../base/ca-files.ts';
import { type Fault, NightlyError } from '../base/errors.ts';
import { isErrno } from '../base/files.ts';
import { plainShellWord } from '../base/quoting.ts';
import { servedBy } from '../base/served-here.ts';
import { readUtf8 } from '../base/utf8-text.ts';
import { knownKeys } from '../base/yaml/known-keys.ts';
import { parseYaml } from '../base/yaml/yaml-document.ts';
import { dotted, faultsError, schemaFaults } from '../base/yaml/yaml-faults.ts';
import type { Here } from './block.ts';
import { type Config, fillConfig } from './config.ts';
import { configJsonSchema } from './json-schema.ts';
import { checkRules, type Parts } from './rules.ts';
import { schemasFor } from './schema.ts';
import { learnSecrets } from './secrets.ts';

const HINT =
  'Correct the places above; "atomic-nightly init" writes a commented example, config-schema.json helps editors.';

/** Schemas are made for the folder of one file: compiling them into faster code takes longer than the file does without. */
const USED_ONCE = { jitless: true };

/** Made when a fault needs it: it takes longer than all the rest. */
let jsonSchema: ReturnType<typeof configJsonSchema> | undefined;

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

/**
 * The same for text at hand; `path` says where it would be.
 * @param options.rules false for text whose rules were checked by a process that sees the files it names
 * @throws NightlyError `config`.
 */
export function parseConfig(text: string, path: string, { rules = true } = {}): Config {
  const { input, places } = parseYaml(text, path, HINT);
  const here = { folder: dirname(resolve(path)) };
  const schemas = schemasOf(here);
  const parsed = schemas.config.safeParse(input, USED_ONCE);
  const known = () => (jsonSchema ??= configJsonSchema());
  const faults: Fault[] = parsed.success
    ? []
    : schemaFaults(parsed.error.issues, { input, places, knownKeys: (at) => knownKeys(known(), at, input) });
  for (const breach of rules ? checkRules(salvage(input, here, schemas)) : []) {
    faults.push({ place: places.value(breach.path), message: dotted(breach.path) + breach.message });
  }
  if (!parsed.success || faults.length > 0) throw faultsError(path, faults, HINT);
  const config = fillConfig(parsed.data);
  for (const { url, caFile } of Object.values(config.targets)) if (caFile !== undefined) trustAt(url, caFile);
  const command = `atomic-nightly --config ${plainShellWord(path)} serve`;
  for (const target of Object.values(config.targets)) {
    if (target.type === 'directory' && target.serve !== undefined) servedBy(target.url, command);
  }
  return { ...config, path: resolve(path), placeOf: (...keys) => places.value(keys) };
}

let lastMade: { readonly folder: string; readonly schemas: ReturnType<typeof schemasFor> } | undefined;

/** Returns the schemas of a folder; to make them takes longer than to use them. */
function schemasOf(here: Here): ReturnType<typeof schemasFor> {
  if (lastMade?.folder !== here.folder) lastMade = { folder: here.folder, schemas: schemasFor(here) };
  return lastMade.schemas;
}

async function readConfig(path: string): Promise<string> {
  try {
    const read = await readUtf8(path);
    if ('text' in read) return read.text;
    throw faultsError(path, [read.fault], HINT);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) {
      throw new NightlyError('config', `There is no configuration file ${path}.`, {
        hint: 'Run "atomic-nightly init" to write one to start from, or name another with --config.',
        cause: error,
      });
    }
    if (error instanceof NightlyError) throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw new NightlyError('config', `The configuration file ${path} cannot be read: ${why}.`, {
      hint: isErrno(error, 'EISDIR')
        ? `It is a folder: name the file in it, as in --config ${join(path, 'atomic-nightly.yaml')}.`
        : 'Check who may read it, or name another with --config.',
      cause: error,
    });
  }
}

/** What passes the schema by itself, so that one wrong value does not hide the faults in the rest. */
function salvage(input: unknown, here: Here, schemas: ReturnType<typeof schemasFor>): Parts {
  const targets = entriesOf(input, 'targets');
  const streams = entriesOf(input, 'streams');
  const sinks = member(input, 'notify');
  const pathAt = (key: string, fallback?: string) => {
    const path = member(input, key) ?? fallback;
    return typeof path === 'string' ? resolve(here.folder, path) : undefined;
  };
  return {
    work: pathAt('work', './work'),
    imageTemplates: pathAt('image-templates'),
    targetNames: targets.map(([name]) => name),
    targets: valid(targets, schemas.target),
    engine: partOf(schemas.engine, member(input, 'engine')),
    streamNames: streams.map(([name]) => name),
    streams: valid(streams, schemas.stream),
    log: partOf(schemas.log, member(input, 'log')),
    audit: partOf(schemas.audit, member(input, 'audit')),
    content: partOf(schemas.content, member(input, 'content')),
    builders: partOf(schemas.builders, member(input, 'builders')),
    rebuilders: partOf(schemas.rebuilders, member(input, 'rebuilders') ?? []),
    sinks: valid(Array.isArray(sinks) ? sinks.map((one, index) => [String(index), one] as const) : [], schemas.sink),
    written: (...path) => path.reduce(member, input),
  };
}

function partOf<Schema extends z.ZodType>(schema: Schema, value: unknown): z.output<Schema> | undefined {
  const parsed = schema.safeParse(value, USED_ONCE);
  return parsed.success ? parsed.data : undefined;
}

function valid<Schema extends z.ZodType>(
  entries: readonly (readonly [string, unknown])[],
  schema: Schema,
): Record<string, z.output<Schema>> {
  return Object.fromEntries(
    entries.flatMap(([name, value]) => {
      const parsed = schema.safeParse(value, USED_ONCE);
      return parsed.success ? [[name, parsed.data]] : [];
    }),
  );
}

function entriesOf(input: unknown, key: string): [string, unknown][] {
  const value = member(input, key);
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.entries(value) : [];
}

function member(input: unknown, key: PropertyKey): unknown {
  return typeof input === 'object' && input !== null ? Reflect.get(input, key) : undefined;
}
