import { join } from 'node:path';
import { NightlyError } from '../../base/errors.ts';
import { makeFolder } from '../../base/files.ts';
import type { Task } from '../../base/task.ts';
import type { BuildMeta } from '../../build/build-record.ts';
import { type Composed, isFolder, type RpmEngine } from '../../engines/engine.ts';
import { selectEngine } from '../../engines/open-engine.ts';
import type { ProvenanceRequest } from '../../engines/provenance/rpm-provenance.ts';
import { removeTree } from '../../programs/rm.ts';
import type { Lockfile } from '../../rpm/lockfile.ts';
import type { Treefile } from '../../treefile/treefile.ts';
import { requireAllLocked } from '../promote/treefile-over-store.ts';

/** All that a tree is made of. */
export interface RecomposeRequest {
  /** Over a repository of the locked packages and nothing else. */
  readonly treefile: Treefile;
  readonly lockfile: Lockfile;
  readonly provenance: ProvenanceRequest;
  /** The build id that the tree has, and the time of everything in it, seconds since the epoch. */
  readonly version: string;
  readonly timestamp: number;
  readonly ref: string;
  /** Commit from which users and groups have their ids. */
  readonly parent: string | undefined;
  readonly repo: string;
  readonly cacheDir: string;
  readonly scratchDir: string;
}

/**
 * Returns the engine that made a build's tree, as it is here: the trees of the two differ.
 * @throws NightlyError `tool-missing`, `unsupported`
 */
export async function engineOf({ buildid, engine: recorded }: BuildMeta): Promise<RpmEngine> {
  const name = recorded?.name === 'rpm-ostree' ? 'rpm-ostree' : 'dnf';
  const { engine } = await selectEngine(name === 'dnf' ? { type: name } : { type: name, command: ['rpm-ostree'] });
  if (!isFolder(engine)) return engine;
  throw new NightlyError('bug', `Build ${buildid} was to be composed by ${engine.name}.`);
}

/** Composes the tree again, into the local repository; no ref moves. @throws what the engine throws, `depsolve`. */
export async function recompose(engine: RpmEngine, request: RecomposeRequest, task: Task): Promise<Composed> {
  const { treefile, lockfile, repo, cacheDir, scratchDir } = request;
  engine.check(treefile);
  const solved = await engine.resolve({ treefile, cacheDir, repo, lockfile }, task);
  requireAllLocked(lockfile, solved.lockfile, 'Ask whoever publishes the build: its lockfile and treefile do not fit.');
  const scratch = join(scratchDir, 'compose');
  await makeFolder(scratch);
  const { inputHash } = solved;
  const fixed = { inputHash, scratchDir: scratch, repoTimestamps: {}, metadata: {} };
  const composed = await engine.compose({ ...request, ...fixed }, task);
  await removeTree(scratch, task);
  task.say(`tree ${composed.contentChecksum.slice(0, 12)}, initramfs ${composed.initramfs}`);
  return composed;
}
