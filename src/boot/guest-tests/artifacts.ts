import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { makeFolder } from '../../base/files.ts';

export interface Artifact {
  /** Relative, and stays in its folder. */
  readonly path: string;
  readonly content: Buffer;
}

/** All of a test's together; what is more is left in the guest. */
const MOST_BYTES = 64 * 1024 ** 2;
const MOST_FILES = 1000;
const PART = /^[A-Za-z0-9_+@%=,:-][A-Za-z0-9_.+@%=,: -]{0,199}$/;

/**
 * Reads what a guest prints of a test's artifacts: a line for each file, its path and its content in base64. What a file
 * here may not be called is left out, so that nothing of a guest leads out of the folder (I12).
 */
export function parseArtifacts(printed: string): Artifact[] {
  const found = new Map<string, Artifact>();
  let bytes = 0;
  for (const line of printed.split('\n')) {
    const [, name, base64] = /^([A-Za-z0-9+/=]{1,1400}) ([A-Za-z0-9+/=]*)$/.exec(line) ?? [];
    if (name === undefined || base64 === undefined) continue;
    const path = Buffer.from(name, 'base64').toString('utf8');
    const content = Buffer.from(base64, 'base64');
    bytes += content.length;
    if (bytes > MOST_BYTES || found.size >= MOST_FILES) break;
    if (path.split('/').every((part) => PART.test(part))) found.set(path, { path, content });
  }
  // A file cannot be a folder too.
  return [...found.values()].filter(({ path }) => ![...found.keys()].some((other) => other.startsWith(`${path}/`)));
}

/** Writes artifacts below a folder. */
export async function writeArtifacts(folder: string, artifacts: readonly Artifact[]): Promise<void> {
  for (const { path, content } of artifacts) {
    await makeFolder(dirname(join(folder, path)));
    await writeFile(join(folder, path), content);
  }
}
