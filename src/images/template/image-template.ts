import { join } from 'node:path';
import { NightlyError } from '../../base/errors.ts';
import { isErrno, readRegular } from '../../base/files.ts';
import { renderText, type TemplateValues } from './render-template.ts';
import type { ImageTemplateFile } from './template-schema.ts';

/** An image type, read from its folder and filled in for one build. */
export interface ImageTemplate extends Omit<ImageTemplateFile, 'extends'> {
  /** Name of the folder. */
  readonly name: string;
  /** The type's folder, then those of the types it extends. */
  readonly folders: readonly [string, ...string[]];
  /** SHA-256 over every file of the folders: what the type is, whatever build it is filled in for. */
  readonly digest: string;
}

/** Content of a file of the type, filled in when its name ends in `.hbs`. @throws NightlyError `image` */
export async function templateFile(
  template: Pick<ImageTemplate, 'folders' | 'name'>,
  path: string,
  values: TemplateValues,
): Promise<Buffer> {
  for (const folder of template.folders) {
    const file = join(folder, path);
    const bytes = await readRegular(file).catch((error: unknown) => {
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
