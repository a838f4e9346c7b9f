import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { z } from 'zod';
import { NightlyError } from '../../base/errors.ts';
import { readRegular, sha256 } from '../../base/files.ts';
import { didYouMean } from '../../base/nearest.ts';
import { type JsonSchema, knownKeys } from '../../base/yaml/known-keys.ts';
import { parseYaml } from '../../base/yaml/yaml-document.ts';
import { faultsError, schemaFaults } from '../../base/yaml/yaml-faults.ts';
import { IMAGE_TYPE_FILE, imageTypeFolders, imageTypes } from '../../config/image-types.ts';
import { imageFormats } from '../formats.ts';
import type { ImageTemplate } from './image-template.ts';
import { renderText, type TemplateValues } from './render-template.ts';
import { imageTemplateSchema } from './template-schema.ts';

/** Enough for any sensible chain; a loop of `extends` ends here. */
const MAX_DEPTH = 5;
/** The schema with the known formats added. They know what a template is, so its own file cannot know them. */
const schema = imageTemplateSchema.extend({ format: z.enum(Object.keys(imageFormats)) });
const HINT = 'Correct the places above; docs/images.md describes image.yaml.';

/**
 * Reads an image type and fills it in.
 * @param ownFolder a project's own image types, looked at first
 * @throws NightlyError `config` with every fault as `file:line:col`; `image` when a value is unknown or a file missing
 */
export async function loadImageTemplate(
  name: string,
  ownFolder: string | undefined,
  values: TemplateValues,
): Promise<ImageTemplate> {
  const layers: Layer[] = [];
  let next: string | undefined = name;
  while (next !== undefined) {
    if (layers.length === MAX_DEPTH) {
      throw new NightlyError('config', `Image types extend each other in a circle: ${name}.`, { hint: HINT });
    }
    // A project's own variant of a shipped type may have its name.
    const base: boolean = layers.at(-1)?.name === next;
    const layer: Layer = await readLayer(next, findFolder(next, base ? undefined : ownFolder), values);
    layers.push(layer);
    next = layer.parent;
  }
  const [first, ...bases] = layers;
  if (first === undefined) throw new NightlyError('bug', 'An image type has no layer.');
  const input = Object.assign({}, ...layers.toReversed().map((layer) => layer.input));
  // Every layer has passed alone; together only a missing key can be wrong, which is the first one's.
  const { extends: _, ...template } = check(schema, input, first);
  const folders = [first.folder, ...bases.map(({ folder }) => folder)] as const;
  return { ...template, name, folders, digest: await digestOf(folders) };
}

interface Layer {
  readonly name: string;
  readonly folder: string;
  readonly file: string;
  readonly text: string;
  readonly input: unknown;
  readonly parent: string | undefined;
}

async function readLayer(name: string, folder: string, values: TemplateValues): Promise<Layer> {
  const file = join(folder, IMAGE_TYPE_FILE);
  const text = renderText((await readRegular(file)).toString('utf8'), file, values);
  const { input } = parseYaml(text, file, HINT);
  const layer = { name, folder, file, text, input, parent: undefined };
  return { ...layer, parent: check(schema.partial(), input, layer).extends };
}

function check<Output>(wanted: z.ZodType<Output>, input: unknown, { file, text }: Layer): Output {
  const parsed = wanted.safeParse(input);
  if (parsed.success) return parsed.data;
  const { places } = parseYaml(text, file, HINT);
  const json = z.toJSONSchema(schema, { io: 'input', target: 'draft-7' }) as JsonSchema;
  const context = { input, places, knownKeys: (at: readonly PropertyKey[]) => knownKeys(json, at, input) };
  throw faultsError(file, schemaFaults(parsed.error.issues, context), HINT);
}

function findFolder(name: string, ownFolder: string | undefined): string {
  const parent = imageTypeFolders(ownFolder).find((folder) => existsSync(join(folder, name, IMAGE_TYPE_FILE)));
  if (parent !== undefined) return join(parent, name);
  const known = imageTypes(ownFolder);
  throw new NightlyError('config', `There is no image type "${name}".${didYouMean(name, known)}`, {
    hint: `Image types here: ${known.join(', ')}. A folder with an ${IMAGE_TYPE_FILE} below "image-templates" makes another.`,
  });
}

async function digestOf(folders: readonly string[]): Promise<string> {
  const parts: string[] = [];
  for (const folder of folders) {
    const entries = await readdir(folder, { recursive: true, withFileTypes: true });
    const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
    for (const file of files.toSorted()) parts.push(relative(folder, file), sha256(await readRegular(file)));
  }
  return sha256(parts.join('\n'));
}
