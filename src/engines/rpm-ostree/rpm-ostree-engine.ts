import { readFile, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { NightlyError } from '../../base/errors.ts';
import { makeFolder, readTextIfExists } from '../../base/files.ts';
import type { Task } from '../../base/task.ts';
import { pullLocal } from '../../programs/ostree.ts';
import { probeRpmOstree, type RpmOstree } from '../../programs/rpm-ostree.ts';
import { readLockfile, writeLockfile } from '../../rpm/lockfile.ts';
import type { ComposedPackages, ComposeRequest, Resolution, ResolveRequest, RpmEngine } from '../engine.ts';
import { addProvenance } from './add-provenance.ts';
import { composeArguments, composeCache, needsTwin, type RunPaths, resolveArguments, runPaths } from './arguments.ts';
import { checkKeys } from './keys-by-release.ts';
import { type ComposePlaces, clean, TEMPORARY_FOLDERS } from './leftovers.ts';
import { compareTransaction, reportLosses } from './losses.ts';
import { checkedCommit, checkedPackages, finishCommit, kernelIn } from './made-commit.ts';
import { composedChecksum, transcriptLockfile } from './output.ts';
import { checkParentIds, prepareTwin, showCommit, twinPath } from './repos.ts';
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
  const { packages, installed } = await checkedPackages(request, made, task);
  const shown = await checkedCommit(request, made, task);
  const added = await addProvenance(request, { commit: made, installed, packages, origins: transcript.origins }, task);
  const commit = await finishCommit(request, made, {
    ...shown,
    ...(added && { rootTree: added.rootTree }),
    ...(packages === undefined && installed ? { unlisted: installed } : {}),
  });
  const contentChecksum = added
    ? (await showCommit(request.repo, commit, task)).contentChecksum
    : ((await composeJsonChecksum(paths)) ?? shown.contentChecksum);
  const seconds = (from: number, to: number) => Math.round(to - from) / 1000;
  return {
    commit,
    contentChecksum,
    ...(await kernelIn(request.repo, commit, task)),
    phases: [
      { name: 'prepare', tool: 'self', seconds: seconds(begun, started) },
      { name: 'depsolve', tool: 'rpm-ostree', seconds: seconds(started, transactionAt) },
      { name: 'tree and commit', tool: 'rpm-ostree', seconds: seconds(transactionAt, ended) },
      { name: 'record', tool: 'ostree', seconds: seconds(ended, performance.now()) },
    ],
    ...(added && { signatures: added.signatures }),
  };
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
