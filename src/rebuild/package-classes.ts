import { join } from 'node:path';
import { z } from 'zod';
import { NightlyError } from '../base/errors.ts';
import { readTextIfExists, writeFileAtomic } from '../base/files.ts';
import { FORMATS } from '../base/format-versions.ts';
import { type RecordOf, readRecord, recordFormat, recordText } from '../base/read-record.ts';
import { parseNevra } from '../rpm/evr.ts';
import type { TagDifference } from '../rpm/header-differences.ts';
import { isPackageName } from '../rpm/rpm-names.ts';
import { rebuildFolder } from './rebuild-folder.ts';

/** How two builds of a package compare, as far as anybody knows. */
export const CLASSES = ['identical', 'known-differences', 'unknown'] as const;

/** What may differ in a package without anybody having tampered: a tag, and the packaged files where it has a value for each. */
const allowed = z.looseObject({
  /** Name of the binary package. */
  package: z.string().min(1),
  tag: z.string().min(1),
  files: z.array(z.string()).exactOptional(),
});

export type KnownDifference = z.output<typeof allowed>;

/** Classes of a source package (`work/rebuild/classes/NAME.json`). Lines are added, none is ever changed or taken away. */
export const CLASS_RECORD = recordFormat({
  version: FORMATS['class of a package'],
  schema: z.looseObject({
    'class-version': z.literal(FORMATS['class of a package'].newest),
    name: z.string().min(1),
    /** Oldest first; the last one counts. */
    history: z.array(
      z.looseObject({
        at: z.int().min(0),
        class: z.enum(CLASSES),
        differences: z.array(allowed),
        by: z.string().min(1),
        reason: z.string().min(1),
      }),
    ),
  }),
  hint: 'Put it back from a backup; or remove it, and the package is of class "unknown" until two builds of it are compared.',
});

export type ClassRecord = RecordOf<typeof CLASS_RECORD>;
export type ClassLine = ClassRecord['history'][number];

/** Returns the name of a source package. @throws NightlyError `verify` for what is none: it becomes the name of a file. */
export function sourceName(nevra: string): string {
  const name = parseNevra(nevra)?.name;
  if (name !== undefined && isPackageName(name)) return name;
  throw new NightlyError('verify', `"${nevra}" is no source package.`, { hint: 'Rebuild it from its source package.' });
}

const classPath = (work: string, name: string): string => join(rebuildFolder(work), 'classes', `${name}.json`);

/** Returns what is known of a source package by its name. @throws NightlyError `record` when it is damaged. */
export async function readClass(work: string, name: string): Promise<ClassRecord> {
  const path = classPath(work, name);
  const text = await readTextIfExists(path);
  return text === undefined ? { classVersion: 1, name, history: [] } : readRecord(text, CLASS_RECORD, path);
}

/** Returns the class that counts, with what may differ. */
export function classIn({ history }: ClassRecord): Pick<ClassLine, 'class' | 'differences'> {
  return history.at(-1) ?? { class: 'unknown', differences: [] };
}

/** Adds a line to what is known of a package. Only a holder of the lock of `rebuild-lock.ts` may. */
export async function addClass(work: string, name: string, line: ClassLine): Promise<void> {
  const { history } = await readClass(work, name);
  await writeFileAtomic(
    classPath(work, name),
    recordText({ classVersion: 1, name, history: [...history, line] }, CLASS_RECORD),
  );
}

/** What differs in one package. */
export interface PackageDifference {
  readonly package: string;
  /** Undefined for a package that one of the two results lacks. */
  readonly tags: readonly TagDifference[] | undefined;
}

/** Returns the list of what may differ from now on, with what differs here. */
export function allowDifferences(
  known: readonly KnownDifference[],
  found: readonly PackageDifference[],
): KnownDifference[] {
  const all = new Map(known.map((one) => [`${one.package} ${one.tag}`, one]));
  for (const { package: name, tags = [] } of found) {
    for (const { tag, files } of tags) {
      const key = `${name} ${tag}`;
      const more = [...new Set([...(all.get(key)?.files ?? []), ...(files ?? [])])].sort();
      all.set(key, { package: name, tag, ...(files && { files: more }) });
    }
  }
  return [...all.values()];
}

/** Whether all that differs is known to: only tags that may, and of packaged files only those that may. */
export function isAllowed(found: readonly PackageDifference[], known: readonly KnownDifference[]): boolean {
  return found.every(({ package: name, tags }) =>
    tags?.every(({ tag, files, count }) => {
      const one = known.find((allow) => allow.package === name && allow.tag === tag);
      if (one === undefined) return false;
      if (one.files === undefined) return true;
      // More files than a difference lists are more than anybody has looked at.
      return files !== undefined && count <= files.length && files.every((file) => one.files?.includes(file));
    }),
  );
}
