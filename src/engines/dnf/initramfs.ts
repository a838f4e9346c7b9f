import { lstatSync } from 'node:fs';
import { rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { NightlyError } from '../../base/errors.ts';
import { makeFolder, sha256, sha256File } from '../../base/files.ts';
import type { Task } from '../../base/task.ts';
import { copyInTree, readInTree, setModeInTree } from '../../base/tree-files.ts';
import { run } from '../../programs/exec.ts';
import type { Phases } from '../phases.ts';
import { type Answers, type Asked, answers, attributesOf, readReport, watched } from './asked.ts';
import { type AskedImage, type KnownImage, type NamesImage, readRecords, writeRecords } from './initramfs-records.ts';
import { inTree, treeEnvironment } from './namespace.ts';
import { listNames, pathIdentity, readPaths, resetTimes } from './trace.ts';
import { osReleasePath, withoutVersion } from './tree/os-release.ts';
import { program } from './tree/system.ts';
import { entry } from './tree/tree-paths.ts';

/**
 * When an initramfs may be used again.
 *
 * dracut runs in the tree and sees nothing else: no network, an empty /sys, a /proc of its own, a fixed environment, all time
 * stamps the same. What it makes can only depend on its arguments and on the answers it gets when it asks the tree for
 * something: content of files, whether and as what a path exists, names in a folder, where a link leads to. What it and
 * all programs it runs ask for is watched (asked.py), and besides, the tree is mounted so that every read sets the access
 * time of what was read (`strictatime`), which before were all set to zero: that also shows what the kernel reads by itself.
 * Kept with the image are
 *
 * - the kernel version, dracut's arguments and environment,
 * - every path that was asked for, with the answer (asked.ts).
 *
 * A later night whose tree would give the same answers gets the image from the cache; any other runs dracut. So an updated
 * package that contributes (a program dracut ran, a library or module it copied, a configuration file it read, a file that
 * it looked for and did not find) always leads to a new image, and a package that nothing of it was asked for does not.
 *
 * Where programs cannot be watched (a kernel older than 5.19, a seccomp listener around this program, another processor), the
 * names of everything in the tree stand for all that may have been looked for: then any new name runs dracut. Where
 * access times cannot be had either (a file system that does not keep them) nothing is kept, and dracut runs every night.
 */
export interface InitramfsRequest {
  readonly root: string;
  readonly kver: string;
  /** `initramfs-args` of the treefile. */
  readonly args: readonly string[];
  /** Set with mutate-os-release: the base version, and the build's that was put in its place. */
  readonly mutated?: { readonly base: string; readonly version: string } | undefined;
  readonly cacheDir: string;
  readonly scratchDir: string;
}

/**
 * Writes usr/lib/modules/KVER/initramfs.img into the tree: last time's, or one dracut makes.
 * @throws NightlyError `compose` when the tree has no dracut or it fails.
 */
export async function makeInitramfs(
  request: InitramfsRequest,
  task: Task,
  phases: Phases,
): Promise<'built' | 'reused'> {
  const { root, kver, cacheDir } = request;
  const target = entry(root, 'usr/lib/modules', kver, 'initramfs.img');
  await rm(target, { recursive: true, force: true });
  const dir = join(cacheDir, 'initramfs');
  await makeFolder(dir);
  const osRelease = await maskedOsRelease(request);
  const key = keyOf(request, osRelease?.content);
  const records = await readRecords(dir, task);
  const known = await phases.time('look for an initramfs', 'self', () => findRecord({ root, records, key, dir }, task));
  if (known) {
    await phases.time('reuse the initramfs', 'self', async () => {
      await copyInTree(join(dir, known.image), target);
      await setModeInTree(target, 0o600);
      await writeRecords(dir, [known, ...records.filter((one) => one !== known)]);
    });
    return 'reused';
  }
  await phases.time('reset times', 'self', () => resetTimes(root));
  const ran = await phases.time('initramfs', 'dracut', () => runDracut(request, osRelease, task));
  await phases.time('keep the initramfs', 'self', async () => {
    const image = join(dir, 'new.img.part');
    await rename(target, image).catch(async () => {
      await copyInTree(target, image);
      await rm(target);
    });
    // Without the image the tree is again as dracut found it.
    const record = await recordOf({ root, ...ran, folder: dirname(target).slice(root.length), key, image }, task);
    await copyInTree(image, target);
    await setModeInTree(target, 0o600);
    if (!record) return await rm(image);
    await rename(image, join(dir, record.image));
    await writeRecords(dir, [record, ...records]);
  });
  return 'built';
}

/**
 * Returns what is kept about a fresh image, which is not in the tree now; nothing when it cannot be known what it was
 * made from.
 */
async function recordOf(
  made: {
    readonly root: string;
    readonly dracut: string;
    readonly asked: Asked | undefined;
    /** Where dracut put the image. */
    readonly folder: string;
    readonly key: string;
    readonly image: string;
  },
  task: Task,
): Promise<KnownImage | undefined> {
  const { root, dracut, asked, folder, key } = made;
  const reads = readPaths(root);
  if (!reads.includes(dracut)) {
    // dracut was certainly read, so what else does not show may have been read as well.
    task.say('this file system keeps no access times: the initramfs cannot be reused');
    return undefined;
  }
  const sha256 = await sha256File(made.image);
  const common = { key, image: `${sha256}.img`, sha256 };
  if (!asked) {
    const identities = Object.fromEntries(reads.map((path) => [path, pathIdentity(root, path)]));
    return { rule: 'names', ...common, names: listNames(root), reads: identities };
  }
  const all: Record<string, string> = { ...asked.asked };
  for (const path of reads) {
    const info = lstatSync(join(root, path));
    const how = info.isSymbolicLink() ? 'l' : info.isDirectory() ? 'd' : 'r';
    if (!asked.outside.includes(path)) all[path] = `${all[path] ?? ''}${how}`;
  }
  const tree = answers(root, asked.outside, [folder]);
  const answered: AskedImage['asked'] = {};
  for (const [path, how] of Object.entries(all)) answered[path] = [how, tree.of(path, how)];
  const written = tree.written();
  if (written !== undefined) {
    task.say(`dracut asked for ${written} and something it ran wrote it: the initramfs cannot be reused`);
    return undefined;
  }
  const attributes = await attributesAsked(tree, answered, task);
  return { rule: 'asked', ...common, outside: [...asked.outside], asked: answered, attributes };
}

/** Returns the first of the images whose tree would have been the same to dracut. */
async function findRecord(
  request: {
    readonly root: string;
    readonly records: readonly KnownImage[];
    readonly key: string;
    readonly dir: string;
  },
  task: Task,
): Promise<KnownImage | undefined> {
  const { root, records, key, dir } = request;
  let names: string | undefined;
  let reason = records.length === 0 ? undefined : 'the kernel, its arguments or its environment are others';
  for (const record of records) {
    if (record.key !== key) continue;
    let changed: string | undefined;
    if (record.rule === 'asked') {
      changed = await otherAnswer(root, record, task);
    } else {
      names ??= listNames(root);
      changed = record.names === names ? otherRead(root, record) : 'the names in the tree';
    }
    // A cache that was cut short by a full disk or a power failure must not get into a commit.
    if (changed === undefined) {
      const there = await sha256File(join(dir, record.image)).catch(() => undefined);
      if (there === record.sha256) return record;
      changed = `${record.image} in the cache`;
    }
    reason = `not as before: ${changed}`;
  }
  if (reason !== undefined) task.say(`dracut has to run: ${reason}`);
  return undefined;
}

/** Returns what of the things that dracut asked for has another answer now. */
async function otherAnswer(root: string, record: AskedImage, task: Task): Promise<string | undefined> {
  const tree = answers(root, record.outside);
  for (const [path, [how, answer]] of Object.entries(record.asked)) if (tree.of(path, how) !== answer) return path;
  return (await attributesAsked(tree, record.asked, task)) === record.attributes ? undefined : 'extended attributes';
}

function attributesAsked(tree: Answers, asked: AskedImage['asked'], task: Task): Promise<string> {
  const paths = Object.entries(asked).flatMap(([path, [how]]) => (how.includes('x') ? (tree.real(path) ?? []) : []));
  return attributesOf(paths, task);
}

function otherRead(root: string, { reads }: NamesImage): string | undefined {
  return Object.entries(reads).find(([path, identity]) => pathIdentity(root, path) !== identity)?.[0];
}

function dracutArgs({ kver, args }: InitramfsRequest): string[] {
  return [
    '--reproducible',
    '--force',
    ...['--add', 'ostree'],
    ...['--tmpdir', '/tmp'],
    ...(args.length > 0 ? args : ['--no-hostonly']),
    ...['--kver', kver],
    `/usr/lib/modules/${kver}/initramfs.img`,
  ];
}

/**
 * dracut gets a fixed time, not the build's: it only clamps time stamps inside the image, and with the build's no image
 * could ever be used again.
 */
const DRACUT_TIME = 1;

function keyOf(request: InitramfsRequest, osRelease: string | undefined): string {
  return sha256(JSON.stringify(['initramfs-2', dracutArgs(request), treeEnvironment(DRACUT_TIME), osRelease ?? '']));
}

/**
 * With mutate-os-release os-release names the build, and dracut copies it into the image, which would be another one every
 * night. So dracut sees the file as it is without the build's version: nothing in an initramfs needs that.
 */
async function maskedOsRelease({ root, mutated }: InitramfsRequest): Promise<MaskedFile | undefined> {
  if (!mutated) return undefined;
  const path = await osReleasePath(root);
  if (path === undefined) return undefined;
  const content = withoutVersion((await readInTree(path)) ?? '', mutated);
  return { path: path.slice(root.length + 1), content };
}

interface MaskedFile {
  /** Relative to the root. */
  readonly path: string;
  readonly content: string;
}

/** @returns dracut's path in the tree, and what it asked for if that could be seen. */
async function runDracut(
  request: InitramfsRequest,
  osRelease: MaskedFile | undefined,
  task: Task,
): Promise<{ readonly dracut: string; readonly asked: Asked | undefined }> {
  const { root, scratchDir } = request;
  const dracut = await program(root, 'dracut');
  if (!dracut) {
    throw new NightlyError('compose', 'The tree has a kernel, but no dracut to make its initramfs with.', {
      hint: 'Add dracut to "packages", or set no-initramfs.',
    });
  }
  const tmp = join(scratchDir, 'dracut');
  await rm(tmp, { recursive: true, force: true });
  await makeFolder(tmp);
  const mask = join(scratchDir, 'os-release');
  if (osRelease) await writeFile(mask, osRelease.content);
  const inside = inTree(root, [dracut, ...dracutArgs(request)], {
    timestamp: DRACUT_TIME,
    traceReads: true,
    binds: [[tmp, 'tmp'], ...(osRelease ? [[mask, osRelease.path] as const] : [])],
  });
  const report = join(scratchDir, 'asked.json');
  await rm(report, { force: true });
  const [command = '', ...args] = watched(inside, { program: dracut, report });
  try {
    await run(command, args, { task });
  } catch (error) {
    if (!(error instanceof NightlyError) || error.code !== 'tool-failed') throw error;
    throw new NightlyError('compose', `dracut could not make the initramfs:\n${error.message}`, {
      hint: 'What it printed is in the step log.',
      cause: error,
      log: task.logFile,
    });
  } finally {
    await rm(tmp, { recursive: true, force: true });
  }
  // What dracut ran may have put a link in its place, which would be followed from the cache.
  await setModeInTree(entry(root, 'usr/lib/modules', request.kver, 'initramfs.img'), 0o600);
  const asked = await readReport(report);
  await rm(report, { force: true });
  if (!('unknown' in asked)) return { dracut, asked };
  task.say(`what dracut asks for could not be watched (${asked.unknown}): any new name in the tree will run it again`);
  return { dracut, asked: undefined };
}
