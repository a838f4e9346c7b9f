import { parseDocument } from 'yaml';
import { z } from 'zod';
import { NightlyError } from '../../base/errors.ts';

/**
 * What a command reports of the tree it made, in the file that $ATOMIC_PROVENANCE names: JSON or YAML. It becomes part of
 * the build's records as `provenance-report.json`. Format 1, described in docs/any-tree.md.
 */
export interface ProvenanceReport {
  readonly components: readonly Component[];
}

/** A part of the tree, such as an element of BuildStream. */
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

/** One line of text: it becomes a line of a page and of a message. */
const line = z
  .string()
  .min(1, 'must not be empty')
  .max(2000, 'is longer than 2000 characters')
  .regex(/^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}]*$/u, 'must be one line without control characters');

const source = z.strictObject({
  kind: line,
  url: line.exactOptional(),
  commit: line.exactOptional(),
  digest: line.exactOptional(),
});

const component = z.strictObject({
  name: line,
  version: line.exactOptional(),
  kind: line.exactOptional(),
  key: line.exactOptional(),
  sources: z.array(source).default([]),
  licence: line.exactOptional(),
});

const schema = z.strictObject({ components: z.array(component).max(100_000) });

/** So many faults are named. */
const NAMED = 20;

/**
 * Parses a report. Components and sources come out sorted, so that equal reports are equal.
 * @throws NightlyError `compose`, naming each fault with where it is in the report.
 */
export function parseProvenanceReport(text: string, path: string): ProvenanceReport {
  const wrong = (lines: readonly string[]) =>
    new NightlyError('compose', [`What the command wrote to $ATOMIC_PROVENANCE is no report:`, ...lines].join('\n'), {
      hint: 'The format is in docs/any-tree.md: a list "components", each with a name and its sources.',
      place: { file: path },
    });
  const document = parseDocument(text, { prettyErrors: false });
  if (document.errors.length > 0) throw wrong(document.errors.slice(0, NAMED).map(({ message }) => `  ${message}`));
  let input: unknown;
  try {
    input = document.toJS({ maxAliasCount: 1000 });
  } catch (error) {
    throw wrong([`  ${error instanceof Error ? error.message : String(error)}`]);
  }
  const parsed = schema.safeParse(input);
  if (!parsed.success) {
    const { issues } = parsed.error;
    const lines = issues.slice(0, NAMED).map((issue) => `  ${placeIn(issue.path)}: ${issue.message}`);
    throw wrong(issues.length > NAMED ? [...lines, `  and ${issues.length - NAMED} more`] : lines);
  }
  const components = parsed.data.components.map(({ sources, ...one }) => ({
    ...one,
    sources: sources.toSorted(bySource),
  }));
  const names = new Set<string>();
  const twice = components.find(({ name }) => names.size === names.add(name).size);
  if (twice) throw wrong([`  the component ${JSON.stringify(twice.name)} is there twice`]);
  return { components: components.toSorted((a, b) => compare(a.name, b.name)) };
}

const placeIn = (path: readonly PropertyKey[]): string => path.map(String).join('.') || 'the report';

const bySource = (a: Source, b: Source): number => compare(sourceText(a), sourceText(b));
const sourceText = ({ kind, url = '', commit = '', digest = '' }: Source): string =>
  [kind, url, commit, digest].join('\0');
const compare = (a: string, b: string): number => (a < b ? -1 : Number(a > b));
