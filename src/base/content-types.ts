import { extname } from 'node:path';

/** Media types of what is published. Vagrant takes what is called JSON for a catalogue of boxes, and anything else for a box. */
const TYPES: Readonly<Record<string, string>> = {
  '.json': 'application/json',
  '.asc': 'application/pgp-signature',
  '.atom': 'application/atom+xml; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.txt': 'text/plain; charset=utf-8',
  '.log': 'text/plain; charset=utf-8',
};

/** Returns the media type of a published file, by its name. */
export function contentType(path: string): string {
  return TYPES[extname(path)] ?? 'application/octet-stream';
}
