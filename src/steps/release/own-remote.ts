import { readFile, writeFile } from 'node:fs/promises';
import { sep } from 'node:path';
import { NightlyError } from '../../base/errors.ts';
import { regExpText } from '../../base/quoting.ts';
import { compareEvr } from '../../rpm/evr.ts';
import type { Lockfile } from '../../rpm/lockfile.ts';
import type { RepoPackage } from '../../rpm/primary.ts';
import type { Project } from '../../run/project.ts';
import { readTreefile } from '../../treefile/read.ts';
import type { Treefile } from '../../treefile/treefile.ts';

/** Names of the release packages that change places in a promotion: the nights' goes, the release's comes. */
export interface RemoteSwap {
  readonly from: string;
  readonly to: string;
}

/** Returns what a promotion into a stream swaps; undefined unless both streams have a release package. */
export function remoteSwap({ config, stream }: Pick<Project, 'config' | 'stream'>): RemoteSwap | undefined {
  const from = config.streams[stream.release?.promotesFrom ?? '']?.releasePackage?.name;
  const to = stream.releasePackage?.name;
  return from === undefined || to === undefined ? undefined : { from, to };
}

/**
 * Refuses a tree whose hosts would follow another stream: it must have the stream's own release package, and none of another
 * stream. Streams without one say nothing about it.
 * @throws NightlyError `package-missing`.
 */
export function requireOwnRemote(project: Project, { packages }: Lockfile): void {
  const { config, stream } = project;
  const own = stream.releasePackage?.name;
  if (own === undefined) return;
  const others = Object.values(config.streams).filter(
    ({ releasePackage }) => releasePackage && releasePackage.name !== own && releasePackage.name in packages,
  );
  const wrong = others.map(({ name, releasePackage }) => `has ${releasePackage?.name}, that of stream "${name}"`);
  const missing = own in packages ? [] : [`lacks ${own}, the release package of stream "${stream.name}"`];
  if (wrong.length + missing.length === 0) return;
  throw new NightlyError(
    'package-missing',
    `Hosts with this tree would not follow stream "${stream.name}": it ${[...wrong, ...missing].join(', and ')}.`,
    { hint: hintFor(project, others.length > 0), place: config.placeOf('streams', stream.name, 'release-package') },
  );
}

function hintFor({ stream, treefile }: Project, hasAnother: boolean): string {
  const own = stream.releasePackage?.name;
  const from = stream.release?.promotesFrom;
  // A rebuild swaps them, so only a tree that is taken as it is can have another stream's.
  if (from !== undefined && hasAnother) return `Leave out --recommit: a rebuild puts ${own} in its place.`;
  if (from !== undefined)
    return `Give stream "${from}" a release package of its own, put that into its treefile, and promote a nightly build that has it: ${own} takes its place.`;
  const out = hasAnother ? ', and take the other out' : '';
  return `Put ${own} into "packages" of ${treefile?.path ?? 'the treefile'}${out}. "atomic-nightly release-package ${stream.name}" makes it; its repository must be in a .repo file next to the treefile, and under "repos".`;
}

/**
 * Returns the night's lockfile with the release's package in the place of the nights': the newest that the repositories
 * have.
 * @throws NightlyError `package-missing` when they have none.
 */
export async function withOwnRemote(
  project: Project,
  lockfile: Lockfile,
  packages: () => Promise<readonly RepoPackage[]>,
): Promise<Lockfile> {
  const swap = remoteSwap(project);
  if (!swap || !(swap.from in lockfile.packages)) return lockfile;
  const { from, to } = swap;
  const newest = (await packages())
    .filter(({ name }) => name === to)
    .toSorted((a, b) => compareEvr(a.id, b.id))
    .at(-1);
  if (!newest) {
    throw new NightlyError(
      'package-missing',
      `No repository of the nightly build's treefile has ${to}, which takes the place of ${from} in a promotion.`,
      {
        hint: `Run "atomic-nightly release-package ${project.stream.name}", and name its repository in a .repo file and under "repos" of the treefile of the nightly stream.`,
      },
    );
  }
  const { [from]: _, ...others } = lockfile.packages;
  const { evra, digest } = newest;
  return { ...lockfile, packages: { ...others, [to]: { evra, digest } } };
}

/**
 * Writes the other name into a copy of a treefile, wherever its packages name the first.
 * @param copy the folder that holds the copy; no file elsewhere is changed
 * @param path of the top treefile
 * @throws NightlyError `treefile` when a place cannot be found in the copy.
 */
export async function renameInTreefile(
  copy: string,
  path: string,
  { from, to }: RemoteSwap,
  basearch: string,
): Promise<Treefile> {
  const word = new RegExp(`(?<![\\w.+-])${regExpText(from)}(?![\\w.+-])`);
  for (;;) {
    const treefile = await readTreefile(path, { basearch });
    const { packages = [], 'repo-packages': others = [] } = treefile.values;
    if (!packages.includes(from) && !others.some((one) => one.packages.includes(from))) return treefile;
    const place = treefile.origins.get(`packages/${from}`);
    const { file = '', line = 1, column = 1 } = place ?? {};
    // A treefile that is included by an absolute path is nobody's copy.
    const lines = file.startsWith(`${copy}${sep}`) ? (await readFile(file, 'utf8')).split('\n') : [];
    const before = lines[line - 1] ?? '';
    const after = before.slice(0, column - 1) + before.slice(column - 1).replace(word, () => to);
    if (after === before) {
      throw new NightlyError('treefile', `${from} cannot be replaced by ${to} in the treefile of the nightly build.`, {
        hint: 'Name it under "packages", in a treefile that is included by a relative path; then promote a later nightly build.',
        place,
      });
    }
    await writeFile(file, lines.with(line - 1, after).join('\n'));
  }
}
