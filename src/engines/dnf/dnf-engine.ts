import { tmpdir } from 'node:os';
import { z } from 'zod';
import { NightlyError } from '../../base/errors.ts';
import type { RpmEngine } from '../engine.ts';
import { checkTreefile } from './dnf-check.ts';
import { compose } from './dnf-compose.ts';
import { callHelper } from './dnf-helper.ts';
import { resolve } from './dnf-resolve.ts';

/**
 * Returns the engine built of dnf, rpm and ostree, for hosts without rpm-ostree. Where a tree differs from rpm-ostree's
 * is described in docs/dnf-engine.md.
 * @throws NightlyError `tool-missing` when dnf's Python modules are not installed.
 */
export async function createDnfEngine(): Promise<RpmEngine> {
  return { name: 'dnf', version: await detectVersion(), check: checkTreefile, resolve, compose };
}

async function detectVersion(): Promise<string> {
  try {
    const { dnf, rpm } = await callHelper({
      verb: 'version',
      request: {},
      result: z.object({ dnf: z.string(), rpm: z.string() }),
      fail: ({ message }) => new NightlyError('bug', message),
      home: tmpdir(),
    });
    return `${dnf} (rpm ${rpm})`;
  } catch (error) {
    if (!(error instanceof NightlyError) || (error.code !== 'tool-failed' && error.code !== 'tool-missing'))
      throw error;
    throw new NightlyError('tool-missing', "dnf's Python modules cannot be loaded by /usr/bin/python3.", {
      hint: 'Install them: "apt-get install dnf" (Debian) or "dnf install python3-dnf" (Fedora).',
      cause: error,
    });
  }
}
