import { join } from 'node:path';
import { readTextIfExists, writeJson } from '../base/files.ts';
import type { DebDownload } from '../programs/apt.ts';

/**
 * DIR/lab.json: what the lab is to contain. It is changed first and the repositories follow, so a build that was
 * broken off is finished by the next one.
 */
export interface LabState {
  readonly format: 1;
  readonly publicUrl: string;
  /** URL given to the build, if other than the default. */
  readonly baseUrl?: string;
  readonly cacheDir?: string;
  /** SHA-256 of the treefile put beside the repositories: one that was edited since is left alone. */
  readonly treefile?: string;
  /** What apt is asked for, and the kernel package. */
  readonly packages: readonly string[];
  readonly kernel?: string;
  /** Absolute paths of .debs that do not come from the archive. */
  readonly debs: readonly string[];
  /** How many updates were published, by RPM name. */
  readonly updates: Readonly<Record<string, number>>;
  /** RPM names taken out of the repositories. */
  readonly removed: readonly string[];
  /** apt's answer, good as long as the package lists are the same. */
  readonly resolved?: { readonly key: string; readonly debs: readonly DebDownload[] };
}

export async function readState(dir: string): Promise<LabState | undefined> {
  const text = await readTextIfExists(join(dir, 'lab.json'));
  return text === undefined ? undefined : (JSON.parse(text) as LabState);
}

export async function writeState(dir: string, state: LabState): Promise<void> {
  await writeJson(join(dir, 'lab.json'), state);
}
