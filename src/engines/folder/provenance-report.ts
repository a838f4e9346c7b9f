import { z } from 'zod';
import { byText } from '../../base/by-text.ts';
import { type Fault, NightlyError } from '../../base/errors.ts';
import { type JsonSchema, knownKeys } from '../../base/yaml/known-keys.ts';
import { parseYaml, type YamlFile } from '../../base/yaml/yaml-document.ts';
import { faultsError, schemaFaults } from '../../base/yaml/yaml-faults.ts';
import type { KeyPath } from '../../base/yaml/yaml-places.ts';
import { type Component, componentKeys, type Source, sourceKeys } from '../provenance/component.ts';

/**
 * What a command reports of the tree it made, in the file that $ATOMIC_PROVENANCE names: JSON or YAML. It becomes part of
 * the build's records as `provenance-report.json`. Format 1, described in docs/any-tree.md.
 */
export interface ProvenanceReport {
  readonly components: readonly Component[];
}

/** One line of text: it becomes a line of a page and of a message. */
const line = z
  .string()
  .min(1, 'must not be empty')
  .max(2000, 'is longer than 2000 characters')
  .regex(/^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}]*$/u, 'must be one line without control characters');

const component = z.strictObject({
  ...componentKeys(line),
  sources: z.array(z.strictObject(sourceKeys(line))).default([]),
});

const schema = z.strictObject({ components: z.array(component).max(100_000) });

/** Where the format is described. */
export const REPORT_HINT = 'The format is in docs/any-tree.md: a list "components", each with a name and its sources.';

/** So many faults are named. */
const NAMED = 20;

/**
 * Parses a report. Components and sources come out sorted, so that equal reports are equal.
 * @throws NightlyError `compose`, naming each fault with its line and column.
 */
export function parseProvenanceReport(text: string, path: string): ProvenanceReport {
  const { input, places } = parseReport(text, path);
  const wrong = (faults: readonly Fault[]) =>
    noReport(faultsError(path, faults.slice(0, NAMED), REPORT_HINT), faults.length);
  const parsed = schema.safeParse(input);
  if (!parsed.success) {
    const known = (at: KeyPath) => knownKeys(z.toJSONSchema(schema, { io: 'input' }) as JsonSchema, at, input);
    throw wrong(schemaFaults(parsed.error.issues, { input, places, knownKeys: known }));
  }
  const components = parsed.data.components.map(({ sources, ...one }) => ({
    ...one,
    sources: sources.toSorted(bySource),
  }));
  const names = new Set<string>();
  const twice = components.findIndex(({ name }) => names.size === names.add(name).size);
  if (twice >= 0) {
    const at = ['components', twice, 'name'];
    const message = `the component ${JSON.stringify(components[twice]?.name)} is there twice.`;
    throw wrong([{ place: places.value(at), message }]);
  }
  return { components: components.toSorted((a, b) => byText(a.name, b.name)) };
}

function parseReport(text: string, path: string): YamlFile {
  try {
    return parseYaml(text, path, REPORT_HINT);
  } catch (error) {
    throw error instanceof NightlyError ? noReport(error) : error;
  }
}

/** It is the command that is at fault, not the configuration. */
function noReport(faults: NightlyError, count = 0): NightlyError {
  const more = count > NAMED ? `\nand ${count - NAMED} more` : '';
  return new NightlyError(
    'compose',
    `What the command wrote to $ATOMIC_PROVENANCE is not a report: ${faults.message}${more}`,
    { hint: REPORT_HINT, cause: faults },
  );
}

const bySource = (a: Source, b: Source): number => byText(sourceText(a), sourceText(b));
const sourceText = ({ kind, url = '', commit = '', digest = '' }: Source): string =>
  [kind, url, commit, digest].join('\0');
