import { existsSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { inBatches } from '../base/batches.ts';
import { makeFolder } from '../base/files.ts';
import { inParallel } from '../base/parallel.ts';
import type { Task } from '../base/task.ts';
import { run } from './exec.ts';
import { rpmDatabase } from './rpm-database.ts';
import { inFolders, type RpmFolder } from './rpm-files.ts';
import { ANY_EXIT_CODE } from './spawn.ts';

/** Why an RPM file did not pass `rpmkeys --checksig`. */
export interface SignatureFault {
  readonly file: string;
  /** What rpmkeys printed about it. */
  readonly report: string;
  readonly kind: 'unsigned' | 'unknown-key' | 'bad';
}

/** Makes a key database of its own, in a folder that is empty or not there yet, from armored public key files. */
export async function importKeys(
  database: string,
  keyFiles: readonly string[],
  home: string,
  task: Task,
): Promise<void> {
  const { args, cwd } = rpmDatabase(database);
  const keys = keyFiles.map((file) => resolve(file));
  await makeFolder(database);
  await run('rpmkeys', [...args, '--import', ...keys], { task, env: { HOME: home }, cwd });
}

/**
 * Checks that each file carries a good signature by a key of the database and that its checksums are right; a missing
 * signature is a fault.
 */
export async function checkSignatures(
  database: string,
  files: readonly string[],
  home: string,
  task: Task,
): Promise<SignatureFault[]> {
  const faults = new Map<number, SignatureFault[]>();
  let done = 0;
  // Far below the kernel's limit for an argument list, and small enough for two cores to end at the same time.
  const batches = [...inBatches(files, TOGETHER)];
  await inParallel(batches.entries(), { atATime: 2, signal: task.signal }, async ([index, batch]) => {
    faults.set(index, await checkSome(database, batch, home, task));
    done += batch.length;
    task.progress(done, files.length, 'packages');
  });
  return batches.flatMap((_, index) => faults.get(index) ?? []);
}

/** So many files are checked by one rpmkeys. */
const TOGETHER = 200;

async function checkSome(
  database: string,
  files: readonly string[],
  home: string,
  task: Task,
): Promise<SignatureFault[]> {
  const { args, cwd } = rpmDatabase(database);
  const { stdout } = await run(
    'rpmkeys',
    [
      ...[...args, '--define', '_pkgverify_level all', '--define', '_pkgverify_flags 0x0'],
      ...['--checksig', '--verbose', ...files],
    ],
    { task, env: { HOME: home }, cwd, okExitCodes: ANY_EXIT_CODE },
  );
  return files.flatMap((file) => {
    const lines = reportOf(stdout, file);
    const signatures = lines.filter((line) => /\bsignature\b/i.test(line));
    const bad = lines.filter((line) => !/: OK$/.test(line));
    if (lines.length > 0 && signatures.length > 0 && bad.length === 0) return [];
    const unsigned = signatures.length === 0 || signatures.every((line) => /NOTFOUND/.test(line));
    // Where a check fails, rpmkeys also lists the kinds of signature that the file does not have.
    const wrong = bad.filter((line) => !/: NOTFOUND$/.test(line));
    const report = unsigned
      ? 'it is not signed'
      : wrong.map((line) => line.trim()).join('; ') || 'rpmkeys said nothing';
    const kind = unsigned ? 'unsigned' : wrong.length > 0 && wrong.every(isUnknownKey) ? 'unknown-key' : 'bad';
    return [{ file, report, kind }];
  });
}

/** A signature by a key that is not in the database, as rpm 4.14 to 4.20 say it. */
const isUnknownKey = (line: string): boolean => /: NOKEY$/.test(line);

/** Returns the indented lines below `FILE:`. */
function reportOf(output: string, file: string): string[] {
  const lines = output.split('\n');
  const start = lines.indexOf(`${file}:`);
  if (start < 0) return [];
  const rest = lines.slice(start + 1);
  const end = rest.findIndex((line) => !/^\s/.test(line));
  return end < 0 ? rest.filter((line) => line !== '') : rest.slice(0, end);
}

/**
 * Returns the paths of installed packages by package name, from an rpm database. A name that is not there has none.
 * @param home an empty folder, so that no .rpmmacros of the user counts
 */
export async function listPackageFiles(
  database: string,
  names: readonly string[],
  home: string,
  task: Task,
): Promise<Map<string, readonly string[]>> {
  const found = new Map<string, string[]>(names.map((name) => [name, []]));
  if (!existsSync(database)) return found;
  const format = '[%{=NAME}\\t%{FILENAMES}\\n]';
  const { stdout } = await run('rpm', [...rpmDatabase(database).args, '-q', '--queryformat', format, ...names], {
    cwd: database,
    task,
    env: { HOME: home },
    // As many as packages that are not there.
    okExitCodes: ANY_EXIT_CODE,
  });
  for (const line of stdout.split('\n')) {
    const [name = '', path] = line.split('\t');
    if (path !== undefined) found.get(name)?.push(path);
  }
  return found;
}

/** What an RPM file says it is. */
export interface RpmFile {
  readonly path: string;
  readonly name: string;
  /** "0" when there is none. */
  readonly epoch: string;
  readonly version: string;
  readonly release: string;
  readonly arch: string;
  /** What the package provides, as in `foo = 1`. */
  readonly provides: readonly string[];
}

/** The name of a package file as its header has it, which is what the rpm database will have. */
export interface RpmIdentity {
  readonly path: string;
  readonly name: string;
  /** Epoch as in `RpmFile`; empty when the file cannot be read as an RPM. */
  readonly epoch: string;
  readonly version: string;
  readonly release: string;
  readonly arch: string;
  /** Whether it holds sources; its architecture is then that of the machine it was made on. */
  readonly source: boolean;
}

/** Reads names and versions from the headers of RPM files, in the order of the files; signatures are not looked at. */
export async function identifyRpms(files: readonly string[], home: string, task: Task): Promise<RpmIdentity[]> {
  const found: RpmIdentity[] = [];
  for (const { cwd, names } of inFolders(files)) {
    // Far below the kernel's limit for an argument list.
    for (const some of inBatches(names, 500)) found.push(...(await identifySome({ cwd, names: some }, home, task)));
  }
  return found;
}

async function identifySome({ cwd, names }: RpmFolder, home: string, task: Task): Promise<RpmIdentity[]> {
  const format = '%{NAME}\\t%{EPOCHNUM}\\t%{VERSION}\\t%{RELEASE}\\t%{ARCH}\\t%{SOURCEPACKAGE}\\n';
  // What is not an RPM would be taken for a list of RPMs to read.
  const flags = ['--query', '--package', '--nomanifest', '--nosignature', '--nodigest', '--queryformat', format];
  const { stdout } = await run('rpm', [...flags, '--', ...names], {
    task,
    cwd,
    env: { HOME: home },
    okExitCodes: ANY_EXIT_CODE,
  });
  const lines = stdout.split('\n').filter((line) => line !== '');
  if (lines.length !== names.length && names.length > 1) {
    // Some cannot be read, and rpm leaves these out: one by one it is clear which.
    const each: RpmIdentity[] = [];
    for (const name of names) each.push(...(await identifySome({ cwd, names: [name] }, home, task)));
    return each;
  }
  return names.map((file, index) => {
    const [name = '', epoch = '0', version = '', release = '', arch = '', source] = lines[index]?.split('\t') ?? [];
    return { path: join(cwd, file), name, epoch, version, release, arch, source: source === '1' };
  });
}

/** Reads the headers of RPM files; signatures are not looked at. @param home an empty folder */
export async function queryRpms(files: readonly string[], home: string, task: Task): Promise<RpmFile[]> {
  const tags = '%{NAME}\\t%{EPOCHNUM}\\t%{VERSION}\\t%{RELEASE}\\t%{ARCH}';
  const format = `${tags}[\\t%{PROVIDENAME} %{PROVIDEFLAGS:depflags} %{PROVIDEVERSION}]\\n`;
  const found: RpmFile[] = [];
  for (const path of files) {
    const args = ['--query', '--package', '--nosignature', '--nodigest', '--queryformat', format, '--', basename(path)];
    const { stdout } = await run('rpm', args, { task, cwd: dirname(path), env: { HOME: home } });
    const [name = '', epoch = '0', version = '', release = '', arch = '', ...provides] = stdout.trim().split('\t');
    found.push({ path, name, epoch, version, release, arch, provides: provides.map((one) => one.trim()) });
  }
  return found;
}
