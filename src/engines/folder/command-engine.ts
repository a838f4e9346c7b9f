import { lstat, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { NightlyError } from '../../base/errors.ts';
import { makeFolder, sha256 } from '../../base/files.ts';
import { formatBytes } from '../../base/format.ts';
import type { Task } from '../../base/task.ts';
import { bytesInTree, kindOf } from '../../base/tree-files.ts';
import { utf8Text } from '../../base/utf8-name.ts';
import type { CommandConfig } from '../../config/config.ts';
import { unmountIn } from '../../programs/mount.ts';
import { ostreeVersion } from '../../programs/ostree.ts';
import { removeTree } from '../../programs/rm.ts';
import type { FolderEngine, FolderRequest } from '../engine.ts';
import { createPhases } from '../phases.ts';
import { PROVENANCE_VERSION } from '../provenance/provenance-format.ts';
import { commandInputs } from './command-inputs.ts';
import { commitTaken } from './commit-folder.ts';
import { type ProvenanceReport, parseProvenanceReport, REPORT_HINT } from './provenance-report.ts';
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
  await makeFolder(root);
  const env = { ATOMIC_ROOT: root, ATOMIC_PROVENANCE: provenance, SOURCE_DATE_EPOCH: String(timestamp) };
  await runConfigured(config.command, config, { env }, task);
  // What else it may lead to is not this build's, and would be here tomorrow, too.
  if ((await kindOf(root)) !== 'dir') {
    throw new NightlyError(
      'compose',
      `${config.command[0]} removed the folder $ATOMIC_ROOT, or put something else in its place.`,
      {
        hint: 'Let it fill that folder, which is there and empty when it starts: "cp -a checkout/. $ATOMIC_ROOT/" takes what is elsewhere.',
      },
    );
  }
  return readReport(provenance);
}

/** Bytes. Reports of whole distributions have one or two megabytes; parsing takes a second for each. */
const LARGEST_REPORT = 16 << 20;

/** @returns undefined where the command wrote none @throws NightlyError `compose` */
async function readReport(path: string): Promise<ProvenanceReport | undefined> {
  const kind = await kindOf(path);
  if (kind === undefined) return undefined;
  if (kind !== 'file') throw noReport('is not a file');
  if ((await lstat(path)).size > LARGEST_REPORT) throw noReport(`is larger than ${formatBytes(LARGEST_REPORT)}`);
  const text = utf8Text((await bytesInTree(path)) ?? Buffer.alloc(0));
  if (text === undefined) throw noReport('is not UTF-8');
  return parseProvenanceReport(text, path);
}

function noReport(why: string): NightlyError {
  return new NightlyError('compose', `What the command wrote to $ATOMIC_PROVENANCE ${why}.`, { hint: REPORT_HINT });
}
