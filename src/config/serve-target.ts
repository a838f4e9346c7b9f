import { z } from 'zod';
import { block } from './block.ts';
import type { Breach } from './breach.ts';
import type { Address } from './service.ts';

const LOOPBACK = '127.0.0.1';

const place = block({
  port: z.int().min(1).max(65535).optional().describe('Default: that of the url, where it begins with http://.'),
  address: z
    .string()
    .regex(/^([\w.-]+|[0-9A-Fa-f:.]+)$/, 'must be an address of this machine, as in 127.0.0.1 or ::')
    .default(LOOPBACK)
    .describe('Where it listens; 0.0.0.0 for everywhere.'),
});

/** Schema of `serve` in a target: whether "serve" is its web server, and where that listens. */
export const serveTarget = z
  .union([z.boolean(), place])
  .default(false)
  .describe('Whether "serve" publishes the folder at the url; "true": on loopback, at the port of the url.')
  .transform((wanted) => {
    if (wanted === false) return undefined;
    return wanted === true ? { address: LOOPBACK } : wanted;
  });

/** Where a target is served from, if this program serves it. */
export interface ServedTarget {
  readonly url: string;
  readonly serve?: z.output<typeof serveTarget>;
}

/** Returns where the web server of a target listens; undefined when this program has none for it. */
export function servedAt({ url, serve }: ServedTarget): Address | undefined {
  if (serve === undefined) return undefined;
  const port = serve.port ?? portOf(url);
  return port === undefined ? undefined : { host: serve.address, port };
}

/** Returns what is wrong with how a target is served. */
export function checkServed(name: string, target: ServedTarget): Breach[] {
  if (target.serve === undefined || servedAt(target) !== undefined) return [];
  const message = 'needs a port: behind a url with https:// another server listens, and passes requests on to it.';
  return [{ path: ['targets', name, 'serve'], message }];
}

function portOf(url: string): number | undefined {
  if (!url.startsWith('http://') || !URL.canParse(url)) return undefined;
  const { port } = new URL(url);
  return port === '' ? 80 : Number(port);
}
