import { extname } from 'node:path';
import { NightlyError } from '../../base/errors.ts';
import { type FilePurpose, readPublicFile } from '../../base/secret-file.ts';

/** How pages introduce the distribution. */
export interface Brand {
  readonly name: string;
  /** A sentence; empty where the configuration has none. */
  readonly about: string;
  /** Name of the picture among the assets; empty where there is none. */
  readonly logo: string;
}

/** A picture beside the other assets. */
export interface Logo {
  readonly name: string;
  readonly type: string;
  readonly content: Buffer;
}

const TYPES: Readonly<Record<string, string>> = { '.svg': 'image/svg+xml', '.png': 'image/png' };
const MAX_BYTES = 256 * 1024;
const PNG = Buffer.from('89504e470d0a1a0a', 'hex');

const PURPOSE: Omit<FilePurpose, 'exposed'> = {
  what: 'logo',
  code: 'config',
  missing: 'Correct "pages.logo" in the configuration, or put the file there.',
};

/** Returns how pages introduce a distribution. */
export function brandOf(config: {
  readonly name: string;
  readonly pages?: { readonly name?: string; readonly about?: string; readonly logo?: string };
}): Brand {
  const { name = config.name, about = '', logo } = config.pages ?? {};
  return { name, about, logo: logo === undefined ? '' : logoName(logo) };
}

const logoName = (path: string): string => `logo${extname(path)}`;

/**
 * Reads the picture that a configuration names.
 * @throws NightlyError `config` when it is not there, too large, or not what its name says.
 */
export async function readLogo(path: string): Promise<Logo> {
  const content = await readPublicFile(path, PURPOSE);
  const is = extname(path) === '.png' ? content.subarray(0, PNG.length).equals(PNG) : content.includes('<svg');
  if (!is || content.length > MAX_BYTES) {
    const why = is ? `has ${content.length} bytes` : 'is not a picture of the type that its name says';
    throw new NightlyError('config', `The logo ${path} ${why}.`, { hint: 'Use an SVG or PNG of at most 256 kB.' });
  }
  return logoOf(path, content);
}

/** Returns a picture with the name and type that it has among the assets. */
export function logoOf(path: string, content: Buffer): Logo {
  return { name: logoName(path), type: TYPES[extname(path)] ?? '', content };
}
