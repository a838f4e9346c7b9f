import { NightlyError } from '../../base/errors.ts';
import { sha256 } from '../../base/files.ts';
import type { CheckoutConfig } from '../../config/config.ts';
import { ostreeVersion } from '../../programs/ostree.ts';
import type { FolderEngine, FolderRequest } from '../engine.ts';
import { createPhases } from '../phases.ts';
import { PROVENANCE_VERSION } from '../provenance/provenance-format.ts';
import { commitTaken } from './commit-folder.ts';
import type { StoredTree } from './store-tree.ts';
import { type TakenFolder, takeFolder } from './take-folder.ts';

/** Returns the engine that commits a folder as it lies there. @throws NightlyError `tool-missing`. */
export async function createCheckoutEngine(config: CheckoutConfig): Promise<FolderEngine> {
  const digest = sha256(JSON.stringify(config));
  /** What the last look at the inputs made of the folder: it need not be stored again for the commit. */
  let known: TakenFolder | undefined;
  // The commit says whether it boots; the hash of a tree that does not is as before that was counted.
  const hashOf = ({ tree, meta }: StoredTree, { signatures, bootable }: FolderRequest): string =>
    sha256(
      JSON.stringify(['checkout', PROVENANCE_VERSION, signatures === true, tree, meta, ...(bootable ? [true] : [])]),
    );
  return {
    name: 'checkout',
    version: await ostreeVersion(),
    source: config.path,
    digest,
    async readInputs(request, task) {
      const taken = await takeFolder(config.path, config, request, task);
      known = taken;
      return { inputHash: hashOf(taken, request), lines: [`folder ${taken.root}`, `tree ${taken.tree}`] };
    },
    async compose(request, task) {
      const phases = createPhases();
      const earlier = known;
      known = undefined;
      const taken = await phases.time('folder', 'ostree', () =>
        takeFolder(config.path, config, request, task, earlier),
      );
      if (hashOf(taken, request) !== request.inputHash) {
        throw new NightlyError('compose', `${config.path} changed since this build began.`, {
          hint: 'Run "atomic-nightly nightly" for a new build of the folder as it is now.',
        });
      }
      return commitTaken(request, taken, { phases }, task);
    },
  };
}
