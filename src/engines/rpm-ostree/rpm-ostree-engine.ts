import { readFile, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { NightlyError } from '../../base/errors.ts';
import { makeFolder, readTextIfExists } from '../../base/files.ts';
import type { Task } from '../../base/task.ts';
import { packageLists } from '../../ostree/commit-packages.ts';
import { readCommit } from '../../ostree/objects.ts';
import { packagesIn } from '../../ostree/package-files.ts';
import { writeRewritten } from '../../ostree/rewrite-commit.ts';
import { pullLocal } from '../../programs/ostree.ts';
import { probeRpmOstree, type RpmOstree } from '../../programs/rpm-ostree.ts';
import { compareInstalled } from '../../rpm/installed-packages.ts';
import { type PackageId, readLockfile, writeLockfile } from '../../rpm/lockfile.ts';
import type { ComposedPackages, ComposeRequest, Resolution, ResolveRequest, RpmEngine } from '../engine.ts';
import { addProvenance } from './add-provenance.ts';
import { composeArguments, composeCache, needsTwin, type RunPaths, resolveArguments, runPaths } from './arguments.ts';
import { checkKeys } from './keys-by-release.ts';
import { type ComposePlaces, clean, TEMPORARY_FOLDERS } from './leftovers.ts';
import { compareTransaction, reportLosses } from './losses.ts';
import { composedChecksum, transcriptLockfile } from './output.ts';
import { checkParentIds, listFolder, prepareTwin, type Shown, showCommit, twinPath } from './repos.ts';
import { runCompose } from './run-compose.ts';

/** Where rpm-ostree makes temporary folders by fixed names; another place only in tests. */
export interface RpmOstreeEngineOptions {
  readonly temporaryFolders?: readonly string[];
}

/**
 * Returns the engine on the real rpm-ostree, natively or through a container command. It asks the program once what it
 * can do and says, at the time it matters, what a missing option costs.
 * @throws NightlyError `tool-missing`, `tool-failed` when the command is no rpm-ostree.
 */
export async function createRpmOstreeEngine(
  command: readonly [string, ...string[]],
  options: RpmOstreeEngineOptions = {},
): Promise<RpmEngine> {
  const rpmOstree = await probeRpmOstree(command);
  const temporary = options.temporaryFolders ?? TEMPORARY_FOLDERS;
  return {
    name: 'rpm-ostree',
    version: rpmOstree.version,
    check(treefile) {
      checkKeys(treefile, rpmOstree);
    },
    resolve: (request, task) => resolveTree(rpmOstree, request, temporary, task),
    compose: (request, task) => composeCommit(rpmOstree, request, temporary, task),
  };
}

async function resolveTree(
  rpmOstree: RpmOstree,
  request: ResolveRequest,
  temporary: readonly string[],
  task: Task,
): Promise<Resolution> {
  reportLosses(rpmOstree, request.treefile, task);
  const folder = join(resolve(request.cacheDir), 'resolve');
  const { paths, places } = await prepare(rpmOstree, request, folder, temporary, task);
  const { lockfile: wanted } = request;
  const how = { cwd: dirname(request.treefile.path), env: {} };
  if (wanted) await writeLockfile(paths.lockfileIn, wanted);
  const transcript = await runCompose(rpmOstree, resolveArguments(rpmOstree, request, paths), how, places, task);
  if (wanted) compareTransaction(rpmOstree, wanted, transcript, 'asked');
  const lockfile = rpmOstree.options.has('--ex-write-lockfile-to')
    ? await readLockfile(paths.lockfileOut)
    : transcriptLockfile(transcript);
  if (transcript.inputHash === undefined || Object.keys(lockfile.packages).length === 0) {
    throw new NightlyError('compose', `rpm-ostree ${rpmOstree.version} printed no transaction in its dry run.`, {
      hint: 'The step log has its output; a newer rpm-ostree may print a format that this program does not know.',
      log: task.logFile,
    });
  }
  await rm(folder, { recursive: true, force: true });
  return { lockfile, inputHash: transcript.inputHash };
}

async function composeCommit(
  rpmOstree: RpmOstree,
  request: ComposeRequest,
  temporary: readonly string[],
  task: Task,
): Promise<ComposedPackages> {
  const begun = performance.now();
  const { paths, places } = await prepare(rpmOstree, request, join(request.scratchDir, 'rpm-ostree'), temporary, task);
  await writeLockfile(paths.lockfileIn, request.lockfile);
  const how = { cwd: dirname(request.treefile.path), env: { SOURCE_DATE_EPOCH: String(request.timestamp) } };
  let transactionAt = begun;
  const started = performance.now();
  const args = composeArguments(rpmOstree, request, paths);
  const transcript = await runCompose(rpmOstree, args, how, places, task, (soFar) => {
    transactionAt = performance.now();
    compareTransaction(rpmOstree, request.lockfile, soFar, 'resolved');
    compareInputHash(request.inputHash, soFar.inputHash);
  });
  const ended = performance.now();
  const made = (await readFile(paths.commitId, 'utf8')).trim();
  if (paths.repo !== resolve(request.repo)) {
    await pullLocal({ from: paths.repo, to: request.repo, commit: made }, task);
  }
  const { packages } = await readCommit(request.repo, made);
  if (packages) compareInstalled(packages, request.lockfile, `The package list of commit ${made}`);
  // The list is what rpm-ostree says; the database is what hosts and scanners will read (I14).
  const source = { repo: request.repo, checksum: made };
  const folder = join(request.scratchDir, 'rpm-ostree', 'rpmdb');
  const installed = await packagesIn(source, folder, task).catch((error: unknown) => {
    // rpm-ostree may run in a container, and this machine have an older rpm or none.
    const unable = error instanceof NightlyError && ['tool-missing', 'tool-failed'].includes(error.code);
    if (!unable || packages === undefined) throw error;
    task.say(
      `the rpm database of the tree was not compared with the lockfile, only its package list: ${error.message}`,
    );
    return undefined;
  });
  if (installed) compareInstalled(installed, request.lockfile, `The rpm database of commit ${made}`);
  const shown = await showCommit(request.repo, made, task);
  if (shown.parent !== request.parent) {
    throw new NightlyError('compose', `rpm-ostree gave ${made} the parent ${shown.parent}, not ${request.parent}.`, {
      hint: 'No other program may write into the work folder; run "atomic-nightly resume".',
    });
  }
  if (shown.timestamp !== request.timestamp) {
    const date = new Date(shown.timestamp * 1000).toISOString();
    task.say(`this rpm-ostree does not take the build's time (SOURCE_DATE_EPOCH): the commit is dated ${date}`);
  }
  const added = await addProvenance(request, { commit: made, installed, packages, origins: transcript.origins }, task);
  const commit = await finishCommit(request, made, {
    ...shown,
    ...(added && { rootTree: added.rootTree }),
    ...(packages === undefined && installed ? { unlisted: installed } : {}),
  });
  const contentChecksum = added
    ? (await showCommit(request.repo, commit, task)).contentChecksum
    : ((await composeJsonChecksum(paths)) ?? shown.contentChecksum);
  const [kernel] = await listFolder(request.repo, commit, '/usr/lib/modules', task);
  const modules =
    kernel === undefined ? [] : await listFolder(request.repo, commit, `/usr/lib/modules/${kernel}`, task);
  const seconds = (from: number, to: number) => Math.round(to - from) / 1000;
  return {
    commit,
    contentChecksum,
    kernel,
    initramfs: modules.some((name) => name.startsWith('initramfs')) ? 'built' : 'none',
    phases: [
      { name: 'prepare', tool: 'self', seconds: seconds(begun, started) },
      { name: 'depsolve', tool: 'rpm-ostree', seconds: seconds(started, transactionAt) },
      { name: 'tree and commit', tool: 'rpm-ostree', seconds: seconds(transactionAt, ended) },
      { name: 'record', tool: 'ostree', seconds: seconds(ended, performance.now()) },
    ],
    ...(added && { signatures: added.signatures }),
  };
}

/**
 * Returns the commit with its provenance in the tree, and with the refs it is made for: rpm-ostree names none, so that a client
 * could be given it under another ref, and pulls by collection refuse it. Its time and all else stay as they are.
 * @param about.unlisted the packages of a commit that has no list of them, as old releases make it
 */
function finishCommit(
  request: ComposeRequest,
  commit: string,
  about: Shown & { readonly rootTree?: string; readonly unlisted?: readonly PackageId[] },
): Promise<string> {
  const { parent, timestamp, rootTree, unlisted } = about;
  const refs = [request.ref, ...(request.alsoBound ?? [])].toSorted();
  return writeRewritten(request.repo, commit, {
    parent,
    timestamp,
    rootTree,
    metadata: {
      'ostree.ref-binding': { type: 'as', value: refs },
      ...packageLists({ packages: unlisted }),
    },
  });
}

/** Removes leftovers, makes the folders that must exist, and the private repo where one is needed. */
async function prepare(
  rpmOstree: RpmOstree,
  request: ResolveRequest | ComposeRequest,
  folder: string,
  temporary: readonly string[],
  task: Task,
): Promise<{ paths: RunPaths; places: ComposePlaces }> {
  const twin = needsTwin(rpmOstree);
  const repos = [resolve(request.repo), ...(twin ? [twinPath(resolve(request.cacheDir))] : [])];
  const cacheDir = composeCache(request.cacheDir);
  const buildRepos = ['repo-build', 'pkgcache-repo'].map((name) => join(cacheDir, name));
  const places = { cacheDir, repos: [...repos, ...buildRepos], temporary };
  await clean(places, task);
  await rm(folder, { recursive: true, force: true });
  const { parent, treefile } = request;
  if (parent !== undefined) await checkParentIds(request.repo, parent, treefile, task);
  const { ref } = treefile.values;
  if (twin && ref === undefined) {
    throw new NightlyError('unsupported', `rpm-ostree ${rpmOstree.version} needs a "ref" in the treefile itself.`, {
      hint: `Write "ref" into ${treefile.path}, or use rpm-ostree 2020.8 or later.`,
      place: { file: treefile.path },
    });
  }
  const repo = twin ? await prepareTwin({ ...request, cacheDir: resolve(request.cacheDir) }, ref, task) : request.repo;
  const paths = runPaths(request.cacheDir, folder, repo);
  for (const path of [paths.cacheDir, folder, paths.workDir]) await makeFolder(path);
  return { paths, places };
}

function compareInputHash(resolved: string, found: string | undefined): void {
  if (found === resolved) return;
  throw new NightlyError('compose', `The inputs changed after they were resolved (${resolved} became ${found}).`, {
    hint: 'The treefile, a file it names, or a package was replaced meanwhile; run the build again.',
  });
}

async function composeJsonChecksum({ composeJson }: RunPaths): Promise<string | undefined> {
  const text = await readTextIfExists(composeJson);
  return text === undefined ? undefined : composedChecksum(text, composeJson);
}
