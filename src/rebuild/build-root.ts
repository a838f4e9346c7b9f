import { existsSync } from 'node:fs';
import { chmod, mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { z } from 'zod';
import { NightlyError } from '../base/errors.ts';
import { makeFolder, readTextIfExists, sha256, writeFileAtomic, writeJson } from '../base/files.ts';
import { formatCount } from '../base/format.ts';
import { FORMATS } from '../base/format-versions.ts';
import { readRecordIfGood, recordFormat, recordText } from '../base/read-record.ts';
import type { Task } from '../base/task.ts';
import { sha256Hex } from '../build/record-values.ts';
import { createDnfEngine } from '../engines/dnf/dnf-engine.ts';
import type { RpmEngine } from '../engines/engine.ts';
import { checkOut, createRef, initRepo } from '../programs/ostree.ts';
import { removeTree } from '../programs/rm.ts';
import { readTreefile } from '../treefile/read.ts';
import type { Treefile } from '../treefile/treefile.ts';
import { readRepositories } from '../treefile/treefile-repos.ts';
import { type LaidTree, recallTree, rememberTree } from './laid-tree.ts';

/** A build root: a tree of packages, named by the checksum of its commit. */
export interface BuildRoot extends LaidTree {
  readonly commit: string;
  /** The commit was there already: the repositories give the same packages. */
  readonly unchanged: boolean;
}

export interface RootRequest {
  /** Folder of all that rebuilds keep: `work/rebuild`. */
  readonly folder: string;
  /** .repo files that packages come from, absolute. */
  readonly repoFiles: readonly string[];
  readonly packages: readonly string[];
  readonly arch: string;
}

/** What is remembered of a root, in `roots/KEY/root.json`. */
export const KNOWN_ROOT = recordFormat({
  version: FORMATS['build root'],
  schema: z.looseObject({
    'root-version': z.literal(FORMATS['build root'].newest),
    'input-hash': z.string(),
    commit: sha256Hex,
    listing: sha256Hex,
  }),
  hint: 'Remove it: the root is composed again.',
});

/** Mount points that a build needs and a tree may lack, with their modes. */
const MOUNT_POINTS: readonly (readonly [string, number])[] = [
  ['proc', 0o555],
  ['dev', 0o755],
  ['run', 0o755],
  ['var', 0o755],
  ['tmp', 0o1777],
  ['builddir', 0o755],
];

/**
 * Composes a build root with the dnf engine and commits it; where the repositories give the packages of an earlier one, that one is
 * used.
 * @throws NightlyError those of the engine: `repo-unreachable`, `package-missing`, `depsolve`, `package-unsigned`, `compose`.
 */
export async function makeBuildRoot(request: RootRequest, task: Task): Promise<BuildRoot> {
  const { folder, packages, arch } = request;
  const key = sha256([arch, ...request.repoFiles, ...packages].join('\n')).slice(0, 16);
  const here = join(folder, 'roots', key);
  const treefile = await writeRootTreefile(here, request);
  const engine = await createDnfEngine();
  engine.check(treefile);
  const repo = join(folder, 'repo');
  const cacheDir = join(folder, 'cache');
  if (!existsSync(join(repo, 'config'))) await initRepo(repo, 'archive', task);
  const { lockfile, inputHash } = await engine.resolve({ treefile, cacheDir, repo }, task);
  const known = readRecordIfGood(await readTextIfExists(join(here, 'root.json')), KNOWN_ROOT);
  if (known?.inputHash === inputHash) {
    const laid = await recallTree(here);
    if (laid?.listing === known.listing) return { commit: known.commit, ...laid, unchanged: true };
  }
  const commit = await composeRoot({ engine, treefile, lockfile, inputHash, cacheDir, repo, here, key }, task);
  const laid = await layOut(repo, commit, here, task);
  const record = { rootVersion: 1, inputHash, commit, listing: laid.listing } as const;
  await writeFileAtomic(join(here, 'root.json'), recordText(record, KNOWN_ROOT));
  task.say(`build root ${commit}: ${formatCount(Object.keys(lockfile.packages).length, 'package')}`);
  return { commit, ...laid, unchanged: false };
}

/**
 * Returns the build root of an earlier job: what is compared with its result must be built in the same, whatever the repositories
 * have by now.
 * @param folder `work/rebuild`
 * @throws NightlyError `tool-failed` when its commit is not here any more
 */
export async function earlierBuildRoot(folder: string, commit: string, task: Task): Promise<BuildRoot> {
  const here = join(folder, 'roots', commit);
  await makeFolder(here);
  const laid = (await recallTree(here)) ?? (await layOut(join(folder, 'repo'), commit, here, task));
  return { commit, ...laid, unchanged: true };
}

/** Writes what the engine composes from: a treefile with the packages, beside links to the .repo files. */
async function writeRootTreefile(here: string, { repoFiles, packages, arch }: RootRequest): Promise<Treefile> {
  await makeFolder(here);
  const source = join(here, 'source');
  await rm(source, { recursive: true, force: true });
  await mkdir(source);
  for (const [index, file] of repoFiles.entries()) {
    if (!existsSync(file)) throw new NightlyError('config', `There is no .repo file ${file}.`);
    await symlink(file, join(source, `${index}-${basename(file).replace(/(\.repo)?$/, '.repo')}`));
  }
  const path = join(source, 'root.json');
  await writeJson(path, {
    ref: `rebuild/${arch}/root`,
    packages: [...new Set(packages)].sort(),
    selinux: false,
    documentation: false,
    recommends: false,
    container: true,
    'tmp-is-dir': true,
    'boot-location': 'modules',
    'machineid-compat': false,
  });
  return readTreefile(path, { basearch: arch });
}

async function composeRoot(
  parts: {
    readonly engine: RpmEngine;
    readonly treefile: Treefile;
    readonly lockfile: Parameters<RpmEngine['compose']>[0]['lockfile'];
    readonly inputHash: string;
    readonly cacheDir: string;
    readonly repo: string;
    readonly here: string;
    readonly key: string;
  },
  task: Task,
): Promise<string> {
  const { engine, here, key, ...given } = parts;
  const scratchDir = join(here, 'scratch');
  await removeTree(scratchDir, task);
  await makeFolder(scratchDir);
  const states = await readRepositories(parts.treefile, task);
  const times = Object.fromEntries(states.map(({ id, generated }) => [id, generated]));
  const ref = `rebuild/${key}`;
  const composed = await engine.compose(
    {
      ...given,
      ...{ scratchDir, ref, version: parts.inputHash.slice(0, 16), repoTimestamps: times, metadata: {} },
      // Of the repositories: the same packages from the same repositories are the same commit.
      timestamp: Math.max(1, ...Object.values(times)),
    },
    task,
  );
  await createRef(parts.repo, ref, composed.commit, task);
  await removeTree(scratchDir, task);
  return composed.commit;
}

/** Checks a commit out as a root that programs run in: /etc in its place, and what is mounted there. One that is there goes. */
async function layOut(repo: string, commit: string, here: string, task: Task): Promise<LaidTree> {
  const tree = join(here, 'tree');
  const aside = `${tree}.new`;
  await removeTree(tree, task);
  await removeTree(aside, task);
  await checkOut({ repo, commit, folder: aside }, task);
  if (existsSync(join(aside, 'usr/etc'))) await rename(join(aside, 'usr/etc'), join(aside, 'etc'));
  for (const [name, mode] of MOUNT_POINTS) {
    await makeFolder(join(aside, name));
    await chmod(join(aside, name), mode);
  }
  await addBuilder(join(aside, 'etc/passwd'), 'builder:x:1000:1000::/builddir:/bin/sh');
  await addBuilder(join(aside, 'etc/group'), 'builder:x:1000:');
  await rename(aside, tree);
  return rememberTree(here, task);
}

/** Adds the account that builds run as, unless the packages have one with its number. */
async function addBuilder(path: string, line: string): Promise<void> {
  const text = (await readTextIfExists(path)) ?? '';
  if (!/^[^:\n]*:[^:\n]*:1000:/m.test(text)) await writeFile(path, `${text}${line}\n`);
}
