import { loadConfig } from '../config/load.ts';
import { summarizeDiff } from '../rpm/pkgdiff.ts';
import { listBuilds, type StoredBuild } from '../run/build-store.ts';
import { isRunLockHeld } from '../run/lock.ts';
import { type Printer, printJson } from './print.ts';

/** `atomic-nightly list`: the builds, newest first. */
export async function runList(
  options: { readonly config: string; readonly json: boolean; readonly stream?: string },
  print: Printer,
): Promise<number> {
  const { work } = await loadConfig(options.config);
  const held = await isRunLockHeld(work);
  const builds = (await listBuilds(work))
    .filter(({ meta }) => options.stream === undefined || meta['atomic-nightly.stream'] === options.stream)
    .map((build) => ({ ...build, state: stateNow(build, held) }));
  if (options.json) {
    printJson(
      builds.map(({ meta, state }) => ({ ...meta, 'atomic-nightly.state': state })),
      print,
    );
    return 0;
  }
  if (builds.length === 0) print('No builds yet. Run "atomic-nightly nightly" to make one.');
  for (const { meta, state } of builds) {
    const commit = meta['ostree-commit']?.slice(0, 12) ?? '-';
    const images = Object.keys(meta.images ?? {}).join(' ');
    const changes = meta.pkgdiff ? summarizeDiff(meta.pkgdiff) : '';
    print(
      [
        meta.buildid.padEnd(12),
        meta['atomic-nightly.stream'].padEnd(10),
        state.padEnd(12),
        commit.padEnd(13),
        changes,
        images,
      ]
        .filter((column) => column !== '')
        .join('  '),
    );
  }
  return 0;
}

/** A build still marked as running although nobody has the lock was killed. */
function stateNow({ meta }: StoredBuild, lockHeld: boolean): string {
  const state = meta['atomic-nightly.state'];
  return state === 'running' && !lockHeld ? 'interrupted' : state;
}
