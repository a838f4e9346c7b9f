import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { checkpointText, signCheckpoint } from '../../src/log/checkpoint.ts';
import { cosign } from '../../src/log/cosignature.ts';
import { grow, NO_TREE } from '../../src/log/grow.ts';
import { signatureLine } from '../../src/log/note.ts';
import type { NoteSigner } from '../../src/log/note-keys.ts';
import { LOG, VECTORS } from './log-files.ts';

export interface ServedLog {
  readonly entries: readonly Buffer[];
  readonly witnesses?: readonly NoteSigner[];
  /** When they signed, seconds since the epoch; default: now. */
  readonly at?: number;
  readonly log?: NoteSigner;
  /** Name of the log; default: that of the vectors. */
  readonly origin?: string;
}

/** Writes a release log with these entries below a folder that is served, in the place of the one before. Returns its checkpoint. */
export function writeLog(
  far: string,
  { entries, witnesses = [], at, log = LOG, origin = VECTORS.origin }: ServedLog,
): string {
  rmSync(join(far, 'log'), { recursive: true, force: true });
  const grown = grow(NO_TREE, entries);
  const head = { origin, size: grown.size, root: grown.root };
  const time = at ?? Math.floor(Date.now() / 1000);
  const lines = witnesses.map((one) => signatureLine(cosign(checkpointText(head), time, one)));
  const checkpoint = signCheckpoint(head, log) + lines.join('');
  for (const { path, content } of [...grown.files, { path: 'checkpoint', content: checkpoint }]) {
    mkdirSync(dirname(join(far, 'log', path)), { recursive: true });
    writeFileSync(join(far, 'log', path), content);
  }
  return checkpoint;
}
