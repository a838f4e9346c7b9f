import { z } from 'zod';
import { block, type Here } from './block.ts';
import type { Breach } from './breach.ts';
import { filePath } from './values.ts';

/** Makes the schema of the `rebuilders` list. */
export const rebuildersSchema = (here: Here) =>
  z.array(
    block({
      name: z
        .string()
        .max(60)
        .regex(/^[a-z0-9]+(-[a-z0-9]+)*$/, 'must be words of small letters and digits joined by "-"')
        .describe('Name under which what they say is published.'),
      key: filePath(here).describe('Their public key on the curve P-256, in PEM.'),
    }),
  );

/** Others who compose our builds again, by the keys that sign what they say. */
export type RebuilderConfig = z.output<ReturnType<typeof rebuildersSchema>>[number];

interface Parts {
  /** Undefined when the list has a fault of its own. */
  readonly rebuilders: readonly RebuilderConfig[] | undefined;
  readonly streams: Readonly<Record<string, { readonly rebuilds: number }>>;
}

/** Returns what is wrong with rebuilders that depends on more than one value. */
export function checkRebuilders({ rebuilders, streams }: Parts): Breach[] {
  if (rebuilders === undefined) return [];
  const named = rebuilders.map(({ name }) => name);
  const twice = named.flatMap((name, index): Breach[] =>
    named.indexOf(name) === index
      ? []
      : [{ path: ['rebuilders', index, 'name'], message: `"${name}" is named twice: each counts once.` }],
  );
  const tooMany = Object.entries(streams).flatMap(([name, { rebuilds }]): Breach[] =>
    rebuilds <= named.length
      ? []
      : [
          {
            path: ['streams', name, 'rebuilds'],
            message: `asks for ${rebuilds}, and "rebuilders" names ${named.length}: nothing could ever be released.`,
          },
        ],
  );
  return [...twice, ...tooMany];
}

export const rebuildersTemplate = `
# Others who compose our builds again with "rebuild-compose" and send what they found (docs/rebuild-compose.md).
# rebuilders:
#   - {name: alice, key: /etc/atomic-nightly/alice.pem}
#   - {name: example-org, key: /etc/atomic-nightly/example-org.pem}
`;
