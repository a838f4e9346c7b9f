import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { z } from 'zod';
import { NightlyError } from '../../base/errors.ts';
import { isErrno, sha256 } from '../../base/files.ts';
import { didYouMean } from '../../base/nearest.ts';
import { type JsonSchema, knownKeys } from '../../base/yaml/known-keys.ts';
import { parseYaml } from '../../base/yaml/yaml-document.ts';
import { faultsError, schemaFaults } from '../../base/yaml/yaml-faults.ts';
import { IMAGE_TYPE_FILE, imageTypeFolders, imageTypes } from '../../config/image-types.ts';
import { renderText, type TemplateValues } from './render-template.ts';
import { type ImageTemplateFile, imageTemplateSchema } from './template-schema.ts';

/** An image type, read from its folder and filled in for one build. */
export interface ImageTemplate extends Omit<ImageTemplateFile, 'extends'> {
  /** Name of the folder. */
  readonly name: string;
  /** The type's folder, then those of the types it extends. */
  readonly folders: readonly [string, ...string[]];
  /** SHA-256 over every file of the folders: what the type is, whatever build it is filled in for. */
  readonly digest: string;
}

/** Enough for any sensible chain; a loop of `extends` ends here. */
const MAX_DEPTH = 5;
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
  const { extends: _, ...template } = check(imageTemplateSchema, input, first);
  const folders = [first.folder, ...bases.map(({ folder }) => folder)] as const;
  return { ...template, name, folders, digest: await digestOf(folders) };
}

/** Content of a file of the type, filled in when its name ends in `.hbs`. @throws NightlyError `image` */
export async function templateFile(
  template: Pick<ImageTemplate, 'folders' | 'name'>,
  path: string,
  values: TemplateValues,
): Promise<Buffer> {
  for (const folder of template.folders) {
    const file = join(folder, path);
    const bytes = await readFile(file).catch((error: unknown) => {
      if (isErrno(error, 'ENOENT')) return undefined;
      throw error;
    });
    if (bytes === undefined) continue;
    return path.endsWith('.hbs') ? Buffer.from(renderText(bytes.toString('utf8'), file, values)) : bytes;
  }
  throw new NightlyError('image', `The image type ${template.name} has no file ${path}.`, {
    hint: `Looked in ${template.folders.join(', ')}.`,
  });
}

/** `10 GiB` in bytes; the schema allows MiB and GiB. */
export function sizeBytes(text: string): number {
  return Number.parseInt(text, 10) * (text.endsWith('GiB') ? 1024 ** 3 : 1024 ** 2);
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
  const text = renderText(await readFile(file, 'utf8'), file, values);
  const { input } = parseYaml(text, file, HINT);
  const layer = { name, folder, file, text, input, parent: undefined };
  return { ...layer, parent: check(imageTemplateSchema.partial(), input, layer).extends };
}

function check<Output>(schema: z.ZodType<Output>, input: unknown, { file, text }: Layer): Output {
  const parsed = schema.safeParse(input);
  if (parsed.success) return parsed.data;
  const { places } = parseYaml(text, file, HINT);
  const json = z.toJSONSchema(imageTemplateSchema, { io: 'input', target: 'draft-7' }) as JsonSchema;
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
    for (const file of files.toSorted()) parts.push(relative(folder, file), sha256(await readFile(file)));
  }
  return sha256(parts.join('\n'));
}
