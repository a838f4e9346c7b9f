import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { NightlyError } from '../../base/errors.ts';
import { sha256 } from '../../base/files.ts';
import type { Task } from '../../base/task.ts';
import { readInTree } from '../../base/tree-files.ts';
import type { CommandConfig } from '../../config/config.ts';
import { unmountIn } from '../../programs/mount.ts';
import { ostreeVersion } from '../../programs/ostree.ts';
import { removeTree } from '../../programs/rm.ts';
import type { FolderEngine, FolderRequest } from '../engine.ts';
import { createPhases } from '../phases.ts';
import { PROVENANCE_VERSION } from '../provenance/provenance-format.ts';
import { commandInputs } from './command-inputs.ts';
import { commitTaken } from './commit-folder.ts';
import { type ProvenanceReport, parseProvenanceReport } from './provenance-report.ts';
import { runConfigured } from './run-configured.ts';
import { takeFolder } from './take-folder.ts';

/** Returns the engine that commits what a program puts into a folder. @throws NightlyError `tool-missing`. */
export async function createCommandEngine(config: CommandConfig): Promise<FolderEngine> {
  const { command, owner } = config;
  const digest = sha256(JSON.stringify(config));
  return {
    name: 'command',
    version: await ostreeVersion(),
    source: config.workingFolder,
    digest,
    async readInputs(request, task) {
      const lines = await commandInputs(config, task);
      const settings = [command, owner, config.var, request.bootable, PROVENANCE_VERSION, request.signatures === true];
      return { inputHash: sha256(JSON.stringify(['command', settings, lines])), lines };
    },
    async compose(request, task) {
      const phases = createPhases();
      const root = join(request.scratchDir, 'root');
      try {
        const report = await phases.time('command', 'command', () => fill(root, config, request, task));
        const taken = await phases.time('folder', 'ostree', () => takeFolder(root, config, request, task));
        return await commitTaken(request, taken, { report, phases }, task);
      } finally {
        // What failed before is what people must see; the next try says why it cannot remove the folder.
        await unmountIn(root).catch(() => undefined);
      }
    },
  };
}

/** Lets the command fill a new folder. What an earlier, killed try left is removed before. @returns its report */
async function fill(
  root: string,
  config: CommandConfig,
  { scratchDir, timestamp }: FolderRequest,
  task: Task,
): Promise<ProvenanceReport | undefined> {
  const provenance = join(scratchDir, 'provenance');
  await unmountIn(root);
  await removeTree(root, task);
  await rm(provenance, { force: true, recursive: true });
  await mkdir(root, { recursive: true });
  const env = { ATOMIC_ROOT: root, ATOMIC_PROVENANCE: provenance, SOURCE_DATE_EPOCH: String(timestamp) };
  await runConfigured(config.command, config, { env }, task);
  const text = await readInTree(provenance).catch((error: unknown) => {
    throw new NightlyError('compose', `What the command wrote to $ATOMIC_PROVENANCE cannot be read: ${String(error)}`);
  });
  return text === undefined ? undefined : parseProvenanceReport(text, provenance);
}
