import { join } from 'node:path';
import { z } from 'zod';
import { readTextIfExists, writeJson } from '../base/files.ts';
import { FORMATS } from '../base/format-versions.ts';
import { type RecordFormat, readRecord, recordFormat } from '../base/read-record.ts';
import type { DebDownload } from '../programs/apt.ts';

/**
 * DIR/lab.json: what the lab is to contain. It is changed first and the repositories follow, so a build that was
 * broken off is finished by the next one.
 */
export interface LabState {
  readonly format: 1;
  readonly publicUrl: string;
  /** URL given to the build, if other than the default. */
  readonly baseUrl?: string | undefined;
  readonly cacheDir?: string;
  /** SHA-256 of the treefile put beside the repositories: one that was edited since is left alone. */
  readonly treefile?: string;
  /** What apt is asked for, and the kernel package. */
  readonly packages: readonly string[];
  readonly kernel?: string | undefined;
  /** Absolute paths of .debs that do not come from the archive. */
  readonly debs: readonly string[];
  /** How many updates were published, by RPM name. */
  readonly updates: Readonly<Record<string, number>>;
  /** RPM names taken out of the repositories. */
  readonly removed: readonly string[];
  /** apt's answer, good as long as the package lists are the same. */
  readonly resolved?: { readonly key: string; readonly debs: readonly DebDownload[] };
}

const text = z.string();
const texts = z.array(text);

const deb = z.looseObject({ name: text, version: text, url: text, file: text, size: z.int().min(0), hash: text });

const LAB: RecordFormat<LabState> = recordFormat({
  version: FORMATS.lab,
  schema: z.looseObject({
    format: z.literal(FORMATS.lab.newest),
    publicUrl: text,
    baseUrl: text.exactOptional(),
    cacheDir: text.exactOptional(),
    treefile: text.exactOptional(),
    packages: texts,
    kernel: text.exactOptional(),
    debs: texts,
    updates: z.record(text, z.int().min(0)),
    removed: texts,
    resolved: z.looseObject({ key: text, debs: z.array(deb) }).exactOptional(),
  }),
  hint: 'Remove the folder of the lab and run "atomic-nightly lab build" again.',
});

/** Reads the state of a lab; undefined in a folder that has none. @throws NightlyError `record` when it is damaged */
export async function readState(dir: string): Promise<LabState | undefined> {
  const file = join(dir, 'lab.json');
  const text = await readTextIfExists(file);
  return text === undefined ? undefined : readRecord(text, LAB, file);
}

/** Writes the state of a lab, so that a kill leaves the old one or the new one. */
export async function writeState(dir: string, state: LabState): Promise<void> {
  await writeJson(join(dir, 'lab.json'), state);
}
