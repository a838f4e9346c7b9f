import { chmod, mkdir, mkdtemp, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { byText } from '../base/by-text.ts';
import { filesBelow, makeFolder, readTextIfExists, sha256 } from '../base/files.ts';
import { entryInRoot, followInRoot } from '../base/paths-in-root.ts';
import { PROJECT } from '../base/shipped.ts';
import type { Task } from '../base/task.ts';
import { copyInTree, kindOf, linkInTree, namesIn, replaceInTree } from '../base/tree-files.ts';
import { debUnpack } from '../programs/dpkg.ts';
import { run } from '../programs/exec.ts';
import { rpmBuild } from '../programs/rpmbuild.ts';
import { type ControlFields, parseControl } from './control.ts';
import { arrangeKernel, arrangeTree } from './deb-tree.ts';
import { type RpmRelations, rpmRelations } from './depends.ts';
import { readAccounts } from './lab-accounts.ts';
import { ABSENT_PACKAGES, extrasOf, KERNEL_PACKAGE, rpmName } from './lab-packages.ts';
import type { OwnPackage } from './own-packages.ts';
import { latestTime, packagedFiles } from './packaged-files.ts';
import { NO_SCRIPTS, rpmScripts } from './scripts.ts';
import { type SpecChange, type SpecInput, specFile } from './spec.ts';
import { touchContent } from './touch.ts';
import { type Evr, evrOfDebianVersion, formatEvr } from './version.ts';

/** Part of every cache key: raise it when the same .deb has to give another RPM. */
export const RECIPE = 7;

/** The project's folder, the same from src/ and from dist/. */
const OVERLAYS = join(PROJECT, 'lab-packages');
const SETUP_ROOT = join(OVERLAYS, 'setup', 'root');
/** The lab's own files have no time of their own that two checkouts would agree on. */
const OWN_TIME = 1_700_000_000;

/** A lab is made once and read on the same machine: quick to pack and to unpack counts. */
const QUICK_MACROS: Readonly<Record<string, string>> = {
  _binary_payload: 'w1.zstdio',
  // Packages are made side by side.
  _smp_build_nthreads: '1',
  // The list of files is made from what is in the build root.
  __check_files: '%{nil}',
};
/**
 * What rpmbuild tells file types by, in the form of magic(5): it needs to know ELF files and of how many bits they are (their
 * colour), and takes as long as for all the rest to find out about other types.
 */
const ELF_ONLY = '0 string \\177ELF ELF\n>4 byte 1 32-bit\n>4 byte 2 64-bit\n';

/** What one RPM is made of. */
export type RpmSource =
  | { readonly kind: 'deb'; readonly deb: string; readonly bump: number }
  | {
      readonly kind: 'own';
      readonly own: OwnPackage;
      readonly bump: number;
      /** Files with generated content: path, bytes. */
      readonly generated: readonly (readonly [path: string, content: string | Uint8Array])[];
      /** Replaced in every file: `@name@`. */
      readonly variables: Readonly<Record<string, string>>;
    };

/** Digest of the files the lab lays over a package; part of its cache key. */
export async function overlayDigest(name: string): Promise<string> {
  const root = join(OVERLAYS, name, 'root');
  const lines: string[] = [];
  for (const file of await filesBelow(root)) {
    const path = join(root, file);
    lines.push(`${file} ${await overlayMode(path)} ${sha256(await readFile(path))}`);
  }
  return sha256(lines.join('\n'));
}

/**
 * Makes one unsigned RPM and moves it into `outputDir` when it is whole.
 * @param scratchDir on the same file system as `outputDir`.
 */
export async function makeRpm(source: RpmSource, scratchDir: string, outputDir: string, task: Task): Promise<void> {
  await makeFolder(scratchDir);
  const work = await mkdtemp(join(scratchDir, 'rpm-'));
  try {
    const root = join(work, 'root');
    await mkdir(root);
    const { spec, timestamp } =
      source.kind === 'deb' ? await prepareDeb(source, root, work, task) : await prepareOwn(source, root);
    const specPath = join(work, `${spec.name}.spec`);
    await writeFile(specPath, specFile(spec));
    const magic = join(work, 'magic');
    await writeFile(magic, ELF_ONLY);
    const places = { spec: specPath, buildRoot: root, topDir: work, home: work, magic };
    const rpm = await rpmBuild({ ...places, buildHost: 'lab.invalid', timestamp, macros: QUICK_MACROS }, task);
    const ready = join(work, 'ready');
    await mkdir(ready);
    await rename(rpm, join(ready, basename(rpm)));
    await makeFolder(dirname(outputDir));
    await rm(outputDir, { recursive: true, force: true });
    await rename(ready, outputDir);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

interface Prepared {
  readonly spec: SpecInput;
  readonly timestamp: number;
}

async function prepareDeb(
  source: Extract<RpmSource, { kind: 'deb' }>,
  root: string,
  work: string,
  task: Task,
): Promise<Prepared> {
  const control = join(work, 'control');
  await debUnpack(source.deb, root, task);
  await rename(entryInRoot(root, 'DEBIAN'), control);
  const fields = parseControl(await readFile(join(control, 'control'), 'utf8'));
  const debName = fields.get('Package') ?? basename(source.deb);
  const timestamp = await latestTime(root);
  await arrangeTree(root, debName);
  const kernel = KERNEL_PACKAGE.test(debName) ? await arrangeKernel(root) : undefined;
  if (kernel !== undefined) await run('/sbin/depmod', ['-b', entryInRoot(root, 'usr'), kernel], { task });
  await overlay(debName, root, {});
  await compilePython(root, task);
  const evr = evrOfDebianVersion(fields.get('Version') ?? '0');
  if (source.bump > 0) await touchContent(root, `lab update ${source.bump} of ${debName}`);
  const extras = extrasOf(debName);
  // A package of which little is left has no units left either.
  const postinst = extras.only ? '' : ((await readTextIfExists(join(control, 'postinst'))) ?? '');
  const [summary, ...description] = (fields.get('Description') ?? debName).split('\n');
  return {
    timestamp,
    spec: {
      name: rpmName(debName),
      evr: bumped(evr, source.bump),
      arch: fields.get('Architecture') === 'all' ? 'noarch' : 'x86_64',
      summary: summary ?? debName,
      description: description.join('\n'),
      license: 'See the copyright file',
      url: fields.get('Homepage'),
      relations: debRelations(fields, debName, evr, source.bump),
      scripts: rpmScripts(postinst, extras),
      after: ['filesystem'],
      changelog: updates(evr, source.bump, timestamp),
      files: await packagedFiles(root, {
        conffiles: await conffiles(control, debName),
        capabilities: new Map(extras.capabilities ?? []),
        accounts: await readAccounts(SETUP_ROOT),
      }),
    },
  };
}

function debRelations(fields: ControlFields, name: string, evr: Evr, bump: number): RpmRelations {
  const relations = rpmRelations(fields, new Set(ABSENT_PACKAGES));
  const extra = [
    // Packages of one source often ask for each other's exact version; an update of one alone must still install.
    ...(bump > 0 || rpmName(name) !== name ? [`${name} = ${formatEvr(evr)}`] : []),
    ...(extrasOf(name).provides ?? []),
  ];
  return { ...relations, provides: [...new Set([...relations.provides, ...extra])].sort(byText) };
}

/** `2+deb12u7` becomes `2+deb12u7^lab1`: newer than it was, older than Debian's next. */
function bumped(evr: Evr, bump: number): Evr {
  return bump === 0 ? evr : { ...evr, release: `${evr.release}^lab${bump}` };
}

/** One entry for each update, a day after the other. @param time of the package as it was first, in seconds since the epoch */
function updates(evr: Evr, bump: number, time: number): SpecChange[] {
  return Array.from({ length: bump }, (_, index) => bump - index).map((update) => ({
    time: time + update * 86_400,
    evr: formatEvr(bumped(evr, update)),
    text: `Update ${update} of the lab: a line more in one file`,
  }));
}

async function prepareOwn(source: Extract<RpmSource, { kind: 'own' }>, root: string): Promise<Prepared> {
  const { own } = source;
  for (const folder of own.folders) {
    const [path, mode] = typeof folder === 'string' ? [folder, 0o755] : folder;
    await makeFolder(followInRoot(root, path));
    await chmod(followInRoot(root, path), mode);
  }
  await overlay(own.name, root, source.variables);
  for (const [from, to] of own.copies) {
    await copyInTree(join(PROJECT, from), entryInRoot(root, to));
  }
  for (const [path, content] of source.generated) {
    await replaceInTree(entryInRoot(root, path), content);
  }
  for (const [path, target] of own.links) {
    await linkInTree(entryInRoot(root, path), target);
  }
  for (const [path, mode] of Object.entries(own.modes)) await chmod(followInRoot(root, path), mode);
  if (source.bump > 0) await touchContent(root, `lab update ${source.bump} of ${own.name}`);
  const etcFiles = (await filesBelow(followInRoot(root, 'etc'))).map((file) => `/etc/${file}`);
  const files = await packagedFiles(root, {
    conffiles: new Set(etcFiles.filter((file) => !file.startsWith('/etc/pki/'))),
    capabilities: new Map(),
    accounts: await readAccounts(SETUP_ROOT),
    ownShared: own.name === 'filesystem',
  });
  const evr = { epoch: 0, version: own.version, release: '1' };
  const none: RpmRelations = { requires: [], recommends: [], provides: [], conflicts: [], obsoletes: [] };
  return {
    timestamp: OWN_TIME,
    spec: {
      name: own.name,
      evr: bumped(evr, source.bump),
      arch: 'noarch',
      summary: own.summary,
      description: own.summary,
      license: 'MIT',
      url: undefined,
      relations: { ...none, ...own.relations },
      scripts: NO_SCRIPTS,
      after: own.after,
      changelog: updates(evr, source.bump, OWN_TIME),
      files,
    },
  };
}

/** Copies `lab-packages/NAME/root` over the build root. */
async function overlay(name: string, root: string, variables: Readonly<Record<string, string>>): Promise<void> {
  const from = join(OVERLAYS, name, 'root');
  for (const file of await filesBelow(from)) {
    const text = await readFile(join(from, file), 'utf8');
    await replaceInTree(
      entryInRoot(root, file),
      text.replace(/@(\w+)@/g, (whole, key: string) => variables[key] ?? whole),
      await overlayMode(join(from, file)),
    );
  }
}

/** Programs are executable in a checkout; whoever made it may have another umask. */
async function overlayMode(path: string): Promise<number> {
  return ((await stat(path)).mode & 0o100) === 0 ? 0o644 : 0o755;
}

async function conffiles(control: string, name: string): Promise<ReadonlySet<string>> {
  const listed = (await readTextIfExists(join(control, 'conffiles'))) ?? '';
  return new Set([
    ...listed.split('\n').filter((line) => line.startsWith('/')),
    ...(extrasOf(name).copies ?? []).map(([, to]) => `/${to}`),
  ]);
}

/**
 * Byte-compiles Python modules, as Debian's scripts would on the host: /usr of a deployment is read-only, so every
 * start would compile them again. Hash-based files without a check, because a deployment has no time stamps.
 */
async function compilePython(root: string, task: Task): Promise<void> {
  const lib = followInRoot(root, 'usr/lib');
  const folders: string[] = [];
  for (const name of await namesIn(lib)) {
    if (/^python3/.test(name) && (await kindOf(join(lib, name))) === 'dir') folders.push(join(lib, name));
  }
  if (folders.length === 0) return;
  await run(
    '/usr/bin/python3',
    ['-m', 'compileall', '-q', '--invalidation-mode', 'unchecked-hash', '-s', root, '-p', '/', ...folders],
    // Some packages ship test files that are wrong on purpose.
    { task, okExitCodes: [0, 1], env: { PYTHONHASHSEED: '0' } },
  );
}
