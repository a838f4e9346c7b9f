import { chmod, copyFile, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { NightlyError } from '../../errors.ts';
import { run } from '../../tools/exec.ts';
import { readTextIfExists, sha256, sha256File, writeJson } from '../../tools/files.ts';
import type { Task } from '../../tools/task.ts';
import { inTree, treeEnvironment } from './namespace.ts';
import type { Phases } from './phases.ts';
import { listNames, pathIdentity, readPaths, resetTimes } from './trace.ts';
import { osReleasePath, withoutVersion } from './tree/os-release.ts';
import { program } from './tree/system.ts';

/**
 * When an initramfs may be used again.
 *
 * dracut runs in the tree and sees nothing else: no network, an empty /sys, a /proc of its own, a fixed environment, all time
 * stamps the same. What it makes can only depend on its arguments, on the content of paths it reads, and on which paths
 * there are. So while it runs, the tree is mounted so that every read sets the access time of what was read
 * (`strictatime`; files, links and folders, by whichever program), which before were all set to zero. Kept with the image are
 *
 * - the kernel version, dracut's arguments and environment,
 * - every path that was read, with its type, mode, owner and a checksum of its content, or its target,
 * - one checksum over the names, types and link targets of the whole tree, as programs also ask whether something
 *   exists; left out are only folders of documentation and translations, which nothing looks into.
 *
 * A later night whose tree agrees in all of these gets the image from the cache; any difference runs dracut. So an updated
 * package that contributes (a program dracut ran, a library or module it copied, a configuration file it read) always
 * leads to a new image, and a leaf package whose files were not read does not, as long as it brings no new names.
 *
 * Where access times cannot be had (a file system that does not keep them) nothing is kept, and dracut runs every night.
 */
const recordSchema = z.object({
  key: z.string(),
  image: z.string(),
  sha256: z.string(),
  names: z.string(),
  reads: z.record(z.string(), z.string()),
});

type KnownImage = z.infer<typeof recordSchema>;

/** Images kept: a stream that goes to and fro between a few kernels or treefiles still finds its own. */
const KEPT = 4;

export interface InitramfsRequest {
  readonly root: string;
  readonly kver: string;
  /** `initramfs-args` of the treefile. */
  readonly args: readonly string[];
  /** Set with mutate-os-release: the base version, and the build's that was put in its place. */
  readonly mutated?: { readonly base: string; readonly version: string };
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
  const target = join(root, 'usr/lib/modules', kver, 'initramfs.img');
  await rm(target, { force: true });
  const dir = join(cacheDir, 'initramfs');
  await mkdir(dir, { recursive: true });
  const osRelease = await maskedOsRelease(request);
  const key = keyOf(request, osRelease?.content);
  const records = await readRecords(dir);
  const { names, known } = await phases.time('look for an initramfs', 'self', async () => {
    const listed = listNames(root);
    return { names: listed, known: await findRecord(root, records, key, listed, dir) };
  });
  if (known) {
    await phases.time('reuse the initramfs', 'self', async () => {
      await copyFile(join(dir, known.image), target);
      await chmod(target, 0o600);
      await writeRecords(dir, [known, ...records.filter((one) => one !== known)]);
    });
    return 'reused';
  }
  await phases.time('reset times', 'self', () => resetTimes(root));
  const dracut = await phases.time('initramfs', 'dracut', () => runDracut(request, osRelease, task));
  await phases.time('keep the initramfs', 'self', () =>
    keepImage({ root, dracut, target, dir, key, names, records }, task),
  );
  return 'built';
}

/** Puts a fresh image into the cache with what it was made from. */
async function keepImage(
  made: {
    readonly root: string;
    readonly dracut: string;
    readonly target: string;
    readonly dir: string;
    readonly key: string;
    readonly names: string;
    readonly records: readonly KnownImage[];
  },
  task: Task,
): Promise<void> {
  const { root, dracut, target, dir, key, names, records } = made;
  const reads = readPaths(root);
  if (!reads.includes(dracut)) {
    // dracut was certainly read, so what else does not show may have been read as well.
    task.say('access times are not kept on this file system: the initramfs cannot be used again');
    return;
  }
  const image = await sha256File(target);
  await copyFile(target, join(dir, `${image}.part`));
  await rename(join(dir, `${image}.part`), join(dir, `${image}.img`));
  const identities: Record<string, string> = {};
  const own = target.slice(root.length);
  for (const path of reads) if (path !== own) identities[path] = pathIdentity(root, path);
  await writeRecords(dir, [{ key, image: `${image}.img`, sha256: image, names, reads: identities }, ...records]);
}

async function findRecord(
  root: string,
  records: readonly KnownImage[],
  key: string,
  names: string,
  dir: string,
): Promise<KnownImage | undefined> {
  for (const record of records) {
    if (record.key !== key || record.names !== names) continue;
    if (!sameReads(root, record.reads)) continue;
    // A cache that was cut short by a full disk or a power failure must not get into a commit.
    const there = await sha256File(join(dir, record.image)).catch(() => undefined);
    if (there === record.sha256) return record;
  }
  return undefined;
}

function sameReads(root: string, reads: Readonly<Record<string, string>>): boolean {
  for (const [path, identity] of Object.entries(reads)) if (pathIdentity(root, path) !== identity) return false;
  return true;
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
  return sha256(JSON.stringify(['initramfs-1', dracutArgs(request), treeEnvironment(DRACUT_TIME), osRelease ?? '']));
}

/**
 * With mutate-os-release os-release names the build, and dracut copies it into the image, which would be another one every
 * night. So dracut sees the file as it is without the build's version: nothing in an initramfs needs that.
 */
async function maskedOsRelease({ root, mutated }: InitramfsRequest): Promise<MaskedFile | undefined> {
  if (!mutated) return undefined;
  const path = await osReleasePath(root);
  if (path === undefined) return undefined;
  const content = withoutVersion(await readFile(path, 'utf8'), mutated);
  return { path: path.slice(root.length + 1), content };
}

interface MaskedFile {
  /** Relative to the root. */
  readonly path: string;
  readonly content: string;
}

/** @returns dracut's path in the tree. */
async function runDracut(request: InitramfsRequest, osRelease: MaskedFile | undefined, task: Task): Promise<string> {
  const { root, scratchDir } = request;
  const dracut = await program(root, 'dracut');
  if (!dracut) {
    throw new NightlyError('compose', 'The tree has a kernel, but no dracut to make its initramfs with.', {
      hint: 'Add dracut to "packages", or set no-initramfs.',
    });
  }
  const tmp = join(scratchDir, 'dracut');
  await rm(tmp, { recursive: true, force: true });
  await mkdir(tmp, { recursive: true });
  const mask = join(scratchDir, 'os-release');
  if (osRelease) await writeFile(mask, osRelease.content);
  const [command = '', ...args] = inTree(root, [dracut, ...dracutArgs(request)], {
    timestamp: DRACUT_TIME,
    traceReads: true,
    binds: [[tmp, 'tmp'], ...(osRelease ? [[mask, osRelease.path] as const] : [])],
  });
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
  const image = join(root, 'usr/lib/modules', request.kver, 'initramfs.img');
  await chmod(image, 0o600);
  return dracut;
}

async function readRecords(dir: string): Promise<KnownImage[]> {
  const text = await readTextIfExists(join(dir, 'records.json'));
  if (text === undefined) return [];
  return z.array(recordSchema).safeParse(JSON.parse(text)).data ?? [];
}

async function writeRecords(dir: string, records: readonly KnownImage[]): Promise<void> {
  const kept = records.slice(0, KEPT);
  await writeJson(join(dir, 'records.json'), kept);
  const images = new Set(kept.map(({ image }) => image));
  for (const { image } of records.slice(KEPT)) if (!images.has(image)) await rm(join(dir, image), { force: true });
}
