import { dirname, resolve } from 'node:path';
import { type Fault, NightlyError, type SourcePlace } from '../base/errors.ts';
import { readUtf8 } from '../base/utf8-text.ts';
import { conditionsHold } from './conditions.ts';
import {
  externalFiles,
  finalizeScripts,
  repoFilesBeside,
  resolveExternals,
  statOrReason,
  treefileDigest,
} from './externals.ts';
import { type IncludeRef, readIncludes } from './includes.ts';
import { isIgnoredInJson, type Layer, mergeLayer, readLayer, topMap, unique } from './layer.ts';
import { NOWHERE, originsOf } from './origins.ts';
import { settleRepoPackages } from './package-lists.ts';
import type { Variable } from './shapes.ts';
import type { KeyUse, Treefile } from './treefile.ts';
import { formatOf, parseTreefileText } from './treefile-document.ts';
import { shortPath, treefileError } from './treefile-faults.ts';
import { digestJson } from './treefile-json.ts';
import { keySpec, type TreefileValues } from './treefile-keys.ts';
import { checkRules } from './treefile-rules.ts';
import { usesOf } from './uses.ts';
import { BUILT_IN_VARIABLES, substituteVariables, takeVariables, type Variables } from './variables.ts';

export { treefileJson } from './treefile-json.ts';

export interface ReadOptions {
  /** RPM's name of the architecture to build for: `x86_64`, `aarch64`, … */
  readonly basearch: string;
  /** Win over the `variables` of the files. */
  readonly variables?: Readonly<Record<string, Variable>>;
  /** See Treefile. */
  readonly reachedBy?: string | undefined;
}

/** How deep includes may nest; rpm-ostree's own limit. */
const MAX_DEPTH = 50;

/** What is gathered on the way through a treefile and its includes. */
interface Reading {
  readonly basearch: string;
  readonly variables: Variables;
  readonly faults: Fault[];
  readonly notes: Fault[];
  readonly uses: KeyUse[];
  /** `device:inode` of each treefile to its path, in the order of reading. */
  readonly seen: Map<string, string>;
  readonly written: Map<string, string>;
  readonly finalize: Map<string, string>;
}

/**
 * Reads a treefile with everything it includes and flattens it, the way `rpm-ostree compose tree` does
 * (rust/src/treefile.rs): an unknown key is a fault in YAML; in JSON it is ignored with a note, the customary remarks
 * (`comment`, `…-comment`, `osname`) without. Kickstart includes (`.ks`) are not read.
 * @throws NightlyError `treefile` with every fault found, each with its place; `unsupported`, `usage`.
 */
export async function readTreefile(path: string, options: ReadOptions): Promise<Treefile> {
  const top = resolve(path);
  const reading = startReading(options);
  const layer = await readFileAndIncludes(top, { file: top }, [], reading);
  const { faults, variables, written } = reading;
  if (layer) {
    substituteVariables(layer, variables, faults);
    checkRules(layer, faults);
  }
  if (!layer || faults.length > 0) throw treefileError(top, faults);

  const repoPackages = layer.get('repo-packages');
  if (repoPackages) layer.set('repo-packages', { ...repoPackages, items: settleRepoPackages(repoPackages.items) });
  addFound(layer, reading);
  const values = assemble(layer);
  const repoFiles = await repoFilesBeside(top);
  return {
    path: top,
    values,
    origins: originsOf(layer),
    files: [...new Set([...reading.seen.values(), ...externalFiles(values), ...repoFiles])],
    repoFiles,
    reachedBy: options.reachedBy,
    written,
    notes: reading.notes,
    uses: reading.uses,
    digest: await treefileDigest(digestJson({ values, written }), values, repoFiles),
  };
}

function startReading({ basearch, variables = {} }: ReadOptions): Reading {
  const known: Variables = new Map([['basearch', { value: basearch }]]);
  for (const [name, value] of Object.entries(variables)) {
    if (BUILT_IN_VARIABLES.includes(name)) {
      throw new NightlyError('usage', `The treefile variable "${name}" is built in and cannot be given.`, {
        hint: name === 'basearch' ? 'Choose the architecture instead.' : 'Set "releasever" in the treefile.',
      });
    }
    known.set(name, { value });
  }
  return {
    basearch,
    variables: known,
    faults: [],
    notes: [],
    uses: [],
    seen: new Map(),
    written: new Map(),
    finalize: new Map(),
  };
}

/** One treefile merged with its includes, or undefined with a fault. `chain`: the files that led here. */
async function readFileAndIncludes(
  file: string,
  from: SourcePlace,
  chain: readonly string[],
  reading: Reading,
): Promise<Layer | undefined> {
  const { basearch, faults, notes, variables } = reading;
  const text = await readOnce(file, from, chain, reading);
  if (text === undefined) return undefined;
  const format = formatOf(file);
  const root = parseTreefileText(file, text, faults, format === 'json' ? isIgnoredInJson : undefined);
  const map = root && topMap(root, faults);
  if (!map) return undefined;

  reading.uses.push(...usesOf(map));
  const layer = readLayer(map, format, basearch, faults, notes);
  const { always, conditional } = readIncludes(map, basearch, faults, notes);
  checkBasearch(layer, basearch, faults);
  await resolveExternals(layer, file, reading.written, faults);
  for (const [name, script] of await finalizeScripts(file)) reading.finalize.set(name, script);
  takeVariables(layer, variables, faults);

  const includes: IncludeRef[] = [...always];
  for (const { conditions, files, inlined } of conditional) {
    if (!conditionsHold(conditions, variables, faults)) continue;
    includes.push(...files);
    if (inlined) reading.uses.push(...usesOf(inlined));
    if (inlined) mergeLayer(layer, readLayer(inlined, format, basearch, faults, notes));
  }
  for (const { path, place } of includes) {
    const included = await readFileAndIncludes(resolve(dirname(file), path), place, [...chain, file], reading);
    if (included) mergeLayer(layer, included);
  }
  return layer;
}

/** Returns the text of a treefile met for the first time. */
async function readOnce(
  file: string,
  from: SourcePlace,
  chain: readonly string[],
  { faults, seen }: Reading,
): Promise<string | undefined> {
  const refuse = (message: string): undefined => {
    faults.push({ place: from, message: chain.length === 0 ? message : `include: ${message}` });
    return undefined;
  };
  const status = await statOrReason(file);
  if (typeof status === 'string') return refuse(`${shortPath(file)} ${status}.`);
  if (!status.isFile()) return refuse(`${shortPath(file)} is not a file.`);
  if (file.endsWith('.ks'))
    return refuse(`${shortPath(file)} is a kickstart file; only JSON and YAML treefiles are read.`);
  const identity = `${status.dev}:${status.ino}`;
  const before = seen.get(identity);
  if (before !== undefined) {
    return refuse(
      chain.includes(before)
        ? `the treefiles include each other in a circle: ${[...chain.slice(chain.indexOf(before)), file].map(shortPath).join(' → ')}.`
        : `${shortPath(file)} was included before; rpm-ostree lets a file be included once.`,
    );
  }
  if (chain.length > MAX_DEPTH) return refuse(`includes nest deeper than ${MAX_DEPTH}.`);
  seen.set(identity, file);
  const read = await readUtf8(file);
  if ('text' in read) return read.text;
  faults.push(read.fault);
  return undefined;
}

function checkBasearch(layer: Layer, basearch: string, faults: Fault[]): void {
  for (const { value, place } of layer.get('basearch')?.items ?? []) {
    if (value !== basearch)
      faults.push({ place, message: `basearch: the treefile is for ${String(value)}, not for ${basearch}.` });
  }
}

/** Puts in what no single file says: the architecture, all variables, the finalize.d scripts. */
function addFound(layer: Layer, { basearch, variables, finalize }: Reading): void {
  if (!layer.has('basearch')) {
    layer.set('basearch', { place: NOWHERE, items: [{ id: '', value: basearch, place: NOWHERE }] });
  }
  const own = [...variables].filter(([name]) => !BUILT_IN_VARIABLES.includes(name));
  if (own.length > 0) {
    const items = own.map(([id, { value, place: at }]) => ({ id, value, place: at ?? NOWHERE }));
    layer.set('variables', { place: items[0]?.place ?? NOWHERE, items });
  }
  if (finalize.size > 0) {
    const scripts = [...finalize].sort(([a], [b]) => (a < b ? -1 : 1));
    const items = scripts.map(([, path]) => ({ id: '', value: path, place: { file: path } }));
    layer.set('finalize.d', { place: items[0]?.place ?? NOWHERE, items });
  }
}

function assemble(layer: Layer): TreefileValues {
  const values: Record<string, unknown> = {};
  for (const [key, { items }] of layer) {
    const { merge, assemble: join } = keySpec(key);
    const settled = merge === 'set' || merge === 'map' ? unique(items) : items;
    if (settled.length > 0 || merge !== 'first') values[key] = join(settled);
  }
  return values as TreefileValues;
}
