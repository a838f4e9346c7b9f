import { existsSync } from 'node:fs';
import { loadConfig } from '../config/load.ts';
import { NightlyError } from '../errors.ts';
import { readLockfile } from '../rpm/lockfile.ts';
import { formatDiff, lockedPackages, packageDiff } from '../rpm/pkgdiff.ts';
import { findBuild } from '../run/build-store.ts';
import { type Printer, printJson } from './print.ts';

/** `atomic-nightly diff A B`: what changed in packages between any two builds. */
export async function runDiff(
  from: string,
  to: string,
  options: { readonly config: string; readonly json: boolean },
  print: Printer,
): Promise<number> {
  const { work } = await loadConfig(options.config);
  const changes = packageDiff(await packagesOf(work, from), await packagesOf(work, to));
  if (options.json) printJson({ from, to, pkgdiff: changes }, print);
  else print(formatDiff(changes));
  return 0;
}

async function packagesOf(work: string, id: string) {
  const { paths, meta } = await findBuild(work, id);
  if (existsSync(paths.lockfile)) return lockedPackages(await readLockfile(paths.lockfile));
  throw new NightlyError(
    'not-found',
    `Build ${id} (${meta['atomic-nightly.state']}) has no lockfile: it ended before its depsolve.`,
    { hint: 'Choose builds that "atomic-nightly list" shows with a commit.' },
  );
}
