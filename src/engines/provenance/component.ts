import type { z } from 'zod';

/**
 * A part of a tree that its maker reported, such as an element of BuildStream, with the sources it was made of. A report of a
 * command, the provenance in the tree and the records made of them have it in the same form; each says how strict it is.
 */
export interface Component {
  readonly name: string;
  readonly version?: string;
  /** How it was made or what it is: `autotools`, `import`, `deb`. */
  readonly kind?: string;
  /** What identifies exactly this build of it, such as a full cache key. */
  readonly key?: string;
  readonly sources: readonly Source[];
  /** An SPDX expression where it is one. */
  readonly licence?: string;
}

/** Where something in a component came from. `commit` or `digest` pins it; without both it is not pinned. */
export interface Source {
  /** `git`, `tar`, `local`. */
  readonly kind: string;
  readonly url?: string;
  readonly commit?: string;
  /** `sha256:` and hex, or as the tool writes it. */
  readonly digest?: string;
}

/** The keys of a component but for its sources, each a text of that schema. */
export const componentKeys = (text: z.ZodString) => ({
  name: text,
  version: text.exactOptional(),
  kind: text.exactOptional(),
  key: text.exactOptional(),
  licence: text.exactOptional(),
});

/** The keys of a source, each a text of that schema. */
export const sourceKeys = (text: z.ZodString) => ({
  kind: text,
  url: text.exactOptional(),
  commit: text.exactOptional(),
  digest: text.exactOptional(),
});
