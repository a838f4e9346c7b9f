import { copyFile, mkdir, readdir, readFile, rm, stat, truncate, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { run } from '../../../src/programs/exec.ts';
import { FormatError } from '../../../src/rpm/format-error.ts';
import { type MadeRepository, makeRepository } from '../../../src/rpm/repository/make-repository.ts';
import {
  localRepository,
  parsePackageDigests,
  REPOMD,
  readPackageDigests,
} from '../../../src/rpm/repository/package-digests.ts';
import type { PackageFile } from '../../../src/rpm/repository/place-packages.ts';
import { openSigner } from '../../../src/signing/open-signer.ts';
import { isSignedByOne } from '../../../src/signing/verify-detached.ts';
import { manyRpms } from '../../support/many-rpms.ts';
import { MINI_EPOCH } from '../../support/mini-rpm.ts';
import { makeSigningKey } from '../../support/signing-key.ts';
import { sharedFolder, temporaryFolder, testTask } from '../../support/tmp.ts';

const REVISION = MINI_EPOCH + 1000;
const DAY = 86_400;
const pool = sharedFolder();
let all: PackageFile[];

beforeAll(async () => {
  all = (await manyRpms(pool, 12)).map(({ name, file, sha256 }) => ({
    path: `Packages/${name.charAt(0)}/${name}-1.0-1.noarch.rpm`,
    file,
    sha256,
  }));
});

/** A repository in a temporary folder, and what is asked of it at a time. */
function place() {
  const dir = temporaryFolder();
  const [folder, memory, task] = [join(dir, 'repository'), join(dir, 'memory.json'), testTask(dir)];
  const about = { folder, memory, revision: REVISION, keepSeconds: 3 * DAY, now: REVISION };
  const make = (
    packages: readonly PackageFile[],
    more: Partial<Parameters<typeof makeRepository>[0]> = {},
  ): Promise<MadeRepository> => makeRepository({ ...about, packages, ...more }, task);
  const named = async () =>
    readPackageDigests(await readFile(join(folder, REPOMD), 'utf8'), localRepository(folder), task);
  const log = () => readFile(task.logFile, 'utf8');
  const ran = async () => (await log()).split('\n').filter((line) => line.startsWith('$ createrepo_c')).length;
  return { dir, folder, memory, task, make, named, ran, log };
}

const digests = (packages: readonly PackageFile[]) =>
  new Map(packages.map(({ path, sha256 }) => [path, `sha256:${sha256}`]));
const filesIn = async (folder: string) =>
  (await run('find', ['.', '-type', 'f'], { cwd: folder })).stdout.split('\n').filter(Boolean).sort();

/** The package with a byte of its signature header changed: the same size and time, and another file. */
async function signedOtherwise({ path, file }: PackageFile, dir: string): Promise<PackageFile> {
  const bytes = await readFile(file);
  // The reserved space for signatures is all NULs, and no digest is over it.
  bytes[bytes.indexOf(Buffer.alloc(2000)) + 500] = 1;
  const copy = join(dir, 'signed-otherwise.rpm');
  await writeFile(copy, bytes);
  const { atime, mtime } = await stat(file);
  await utimes(copy, atime, mtime);
  const { stdout } = await run('sha256sum', [copy]);
  return { path, file: copy, sha256: stdout.slice(0, 64) };
}

describe('makeRepository', () => {
  it('C1: a repository is exactly the list, whatever was in it', async () => {
    const { folder, make, named, ran } = place();
    for (const packages of [all.slice(0, 5), all, all.slice(3, 8), [], all.slice(11)]) {
      await make(packages);
      expect(await named()).toEqual(digests(packages));
      expect((await filesIn(folder)).filter((path) => path.endsWith('.rpm'))).toEqual(
        packages.map(({ path }) => `./${path}`).sort(),
      );
    }
    // Once for each publication, and not at all for what is there.
    expect(await ran()).toBe(5);
    expect(await make(all.slice(11))).toMatchObject({ changed: false, added: 0, removed: 0 });
    expect(await ran()).toBe(5);
  });

  it('C7: the same packages have the same metadata, byte for byte, whatever went before', async () => {
    const [one, other, third] = [place(), place(), place()];
    await one.make(all);
    await other.make(all.slice(4));
    await other.make(all.slice(0, 9));
    await other.make(all.toReversed());
    expect(await readFile(join(other.folder, REPOMD), 'utf8')).toBe(await readFile(join(one.folder, REPOMD), 'utf8'));
    await third.make(all.slice(1));
    await rm(third.memory);
    await third.make(all);
    expect(await readFile(join(third.folder, REPOMD), 'utf8')).toBe(await readFile(join(one.folder, REPOMD), 'utf8'));
  });

  it('K14: a package that is another file under its name, of the same size and time, is in the metadata as it is', async () => {
    const { dir, folder, make, named, memory } = place();
    await make(all);
    const [first, ...rest] = all;
    if (!first) throw new Error('no packages');
    const other = await signedOtherwise(first, dir);
    const [before, after] = [await stat(first.file), await stat(other.file)];
    expect([after.size, after.mtimeMs]).toEqual([before.size, before.mtimeMs]);
    for (const packages of [[other, ...rest], all]) {
      expect(await make(packages)).toMatchObject({ changed: true, added: 1, removed: 0 });
      expect(await named()).toEqual(digests(packages));
    }
    // Whether or not anybody remembers what was read.
    await rm(memory);
    expect(await make([other, ...rest])).toMatchObject({ changed: true, added: 1 });
    expect(await named()).toEqual(digests([other, ...rest]));
    expect((await readFile(join(folder, first.path))).equals(await readFile(other.file))).toBe(true);
  });

  it('costs time and nothing else when what was remembered is lost or garbage', async () => {
    const { make, memory, folder, ran } = place();
    await make(all);
    const before = await filesIn(folder);
    for (const content of ['', '{"version":1', '{"version":2,"files":{}}', '[]']) {
      await writeFile(memory, content);
      expect(await make(all), content).toMatchObject({ changed: false, added: 0, removed: 0 });
    }
    expect(await filesIn(folder)).toEqual(before);
    expect(await ran()).toBe(1);
  });

  it('signs an empty repository, and one that lost its signature again', async () => {
    const { dir, folder, make, task } = place();
    const signer = openSigner(await makeSigningKey(dir));
    const key = await signer.publicKey(task);
    const isGood = (bytes: Uint8Array, signature: Uint8Array) => isSignedByOne(key, bytes, [signature], task);
    const signing = { sign: (bytes: Uint8Array) => signer.sign(bytes, task), isGood };
    const good = async () =>
      isGood(await readFile(join(folder, REPOMD)), await readFile(join(folder, `${REPOMD}.asc`)));
    expect(await make([], { signing })).toMatchObject({ changed: true, added: 0 });
    expect(await good()).toBe(true);
    expect(await make([], { signing })).toMatchObject({ changed: false });
    await rm(join(folder, `${REPOMD}.asc`));
    expect(await make([], { signing })).toMatchObject({ changed: true });
    expect(await good()).toBe(true);
    // A signature of other metadata is none, and one that nobody vouches for any more goes.
    await make(all.slice(0, 1));
    expect((await readdir(join(folder, 'repodata'))).filter((name) => name.endsWith('.asc'))).toEqual([]);
  });

  it('I1: a package that is missing is named, and nothing was changed', async () => {
    const { folder, make, dir } = place();
    await make(all.slice(0, 3));
    const before = await filesIn(folder);
    const gone = { path: 'Packages/g/gone-1-1.noarch.rpm', file: join(dir, 'gone.rpm'), sha256: '0'.repeat(64) };
    await expect(make([...all, gone])).rejects.toMatchObject({
      code: 'package-missing',
      message: expect.stringContaining('Packages/g/gone-1-1.noarch.rpm'),
    });
    expect(await filesIn(folder)).toEqual(before);
  });

  it('I1: a damaged package, or one with another digest, is named, and readers keep the old metadata', async () => {
    const { dir, folder, make, named } = place();
    await make(all.slice(0, 3));
    const [file, path] = [join(dir, 'cut.rpm'), 'Packages/c/cut-1-1.noarch.rpm'];
    await copyFile(all[5]?.file ?? '', file);
    await truncate(file, 3000);
    const before = await readFile(join(folder, REPOMD), 'utf8');
    await expect(make([...all.slice(0, 3), { path, file, sha256: '0'.repeat(64) }])).rejects.toMatchObject({
      code: 'verify',
      message: expect.stringMatching(/^createrepo_c refuses[^\n]*\n {2}Packages\/c\/cut-1-1\.noarch\.rpm: /),
    });
    await expect(
      make([...all.slice(0, 3), { path, file: all[6]?.file ?? '', sha256: '0'.repeat(64) }]),
    ).rejects.toMatchObject({
      code: 'verify',
      message: expect.stringContaining(`${path} has the SHA-256 ${all[6]?.sha256}, not 0000`),
    });
    expect(await readFile(join(folder, REPOMD), 'utf8')).toBe(before);
    // The next one is not led astray by what they left.
    await make(all.slice(0, 4));
    expect(await named()).toEqual(digests(all.slice(0, 4)));
  });

  it('keeps what an earlier repomd.xml named for as long as it is told, and nothing that a kill left', async () => {
    const { folder, make } = place();
    const primaries = async () => (await readdir(join(folder, 'repodata'))).filter((name) => name.includes('primary'));
    await make(all.slice(0, 1), { now: REVISION });
    const [first] = await primaries();
    await make(all.slice(0, 2), { now: REVISION + DAY });
    const second = (await primaries()).filter((name) => name !== first);
    await make(all.slice(0, 3), { now: REVISION + 2 * DAY });
    expect(await primaries()).toHaveLength(3);
    await writeFile(join(folder, 'repodata', `${'0'.repeat(64)}-primary.xml.gz`), 'left of a kill');
    await mkdir(join(folder, '.repodata-new/repodata'), { recursive: true });
    await mkdir(join(folder, '.packages-new'), { recursive: true });
    await make(all.slice(0, 3), { now: REVISION + 4 * DAY });
    const left = await primaries();
    expect(left).toHaveLength(2);
    expect(left).toEqual(expect.arrayContaining(second));
    expect(left).not.toContain(first);
    expect((await readdir(folder)).sort()).toEqual(['Packages', 'repodata']);
    // The clock went back: nothing is old.
    await make(all.slice(0, 3), { now: REVISION });
    expect(await primaries()).toHaveLength(2);
  });

  it('keeps the metadata that others put beside that of the packages', async () => {
    const { dir, folder, make } = place();
    await make(all.slice(0, 2));
    const groups = join(dir, 'comps.xml');
    await writeFile(groups, '<?xml version="1.0"?>\n<comps><group><id>core</id></group></comps>\n');
    await run('modifyrepo_c', ['--mdtype=group', groups, join(folder, 'repodata')]);
    await make(all.slice(0, 3));
    const repomd = await readFile(join(folder, REPOMD), 'utf8');
    const href = /repodata\/\w+-comps\.xml\.gz/.exec(repomd)?.[0] ?? '';
    expect((await run('zcat', [join(folder, href)])).stdout).toContain('<id>core</id>');
  });
});

it('reads the digests of source packages too, and refuses metadata that is not whole', () => {
  const xml = `<metadata xmlns="x" packages="1">\n<package type="rpm">\n<name>a</name><arch>src</arch><checksum type="sha256" pkgid="YES">${'a'.repeat(64)}</checksum><location href="Packages/a/a-1-1.src.rpm"/></package></metadata>`;
  expect([...parsePackageDigests(xml)]).toEqual([['Packages/a/a-1-1.src.rpm', `sha256:${'a'.repeat(64)}`]]);
  for (const [from, to] of [
    ['packages="1"', 'packages="2"'],
    ['packages="1"', ''],
    ['</package>', ''],
    ['href="', 'href="../'],
    ['<location', '<place'],
  ] as const) {
    expect(() => parsePackageDigests(xml.replace(from, to)), to).toThrow(FormatError);
  }
});
