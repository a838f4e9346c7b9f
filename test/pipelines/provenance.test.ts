import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { sha256File } from '../../src/base/files.ts';
import type { Provenance } from '../../src/engines/provenance/provenance-format.ts';
import { run } from '../../src/programs/exec.ts';
import { readTreefile } from '../../src/treefile/read.ts';
import { everyCase } from '../support/every-case.ts';
import { nevraOf, signRpm, testKey } from '../support/mini-rpm.ts';
import { makeWorld, records, runCli, type World } from '../support/world.ts';

const PATH = '/usr/share/atomic-nightly/provenance.json';

let world: World;
let first: { readonly build: string; readonly commit: string };
beforeAll(async () => {
  world = await makeWorld(await mkdtemp(join(tmpdir(), 'atomic-nightly-test-')), { signed: true });
  const git = (...args: string[]) => run('git', ['-C', join(world.distro.dir, 'treefile'), ...args]);
  await git('init', '--quiet');
  await git('remote', 'add', 'origin', 'https://joe:hunter2222@git.example.org/mini.git');
  await git('add', '.');
  await git('-c', 'user.name=Joe', '-c', 'user.email=joe@example.org', 'commit', '--quiet', '--message', 'mini');
  first = await nightly();
});
afterAll(async () => {
  await world.stop();
  await rm(world.dir, { recursive: true, force: true });
});

async function nightly(...args: string[]): Promise<{ readonly build: string; readonly commit: string }> {
  const result = await world.nightly('nightly', '--json', ...args);
  expect(result.stderr).not.toContain('✗');
  return JSON.parse(result.stdout);
}

const inTree = async (commit: string) =>
  (await run('ostree', [`--repo=${join(world.dir, 'work/repo')}`, 'cat', commit, PATH])).stdout;
const provenance = async (commit: string): Promise<Provenance> => JSON.parse(await inTree(commit));
const rpmOf = (name: string) =>
  join(world.distro.repoDir, `${nevraOf(world.distro.recipe(name)).replace(/-\d+:/, '-')}.rpm`);
/** Metadata that says the same of the same files, made at another time. */
const regenerate = (revision: number) =>
  run('createrepo_c', ['--quiet', '--no-database', '--revision', String(revision), world.distro.repoDir]);

test('a tree says of each package what it is, where it is from and how it was built, and of its treefile each file', async () => {
  const { packages, treefile, ...rest } = await provenance(first.commit);
  expect(rest).toEqual({ schema: 'atomic-nightly/provenance', version: 1, debs: [], components: [] });
  const query = ['-qp', '--nosignature', '--qf', '%{SHA256HEADER} %{SOURCERPM}', rpmOf('app')];
  const [header, source] = (await run('rpm', query)).stdout.split(' ');
  expect(packages.find(({ nevra }) => nevra === 'app-1:2.0-1.noarch')).toEqual({
    nevra: 'app-1:2.0-1.noarch',
    header: `sha256:${header}`,
    source,
    buildHost: 'mini.example.org',
    licence: 'MIT',
    repository: 'mini',
  });
  expect(treefile?.files.map(({ path }) => path)).toEqual(['RPM-GPG-KEY-mini', 'mini.repo', 'mini.yaml']);
  expect(treefile?.files[2]?.sha256).toBe(await sha256File(world.distro.treefile));
  const [meta] = await records(world);
  expect(treefile?.digest).toBe(meta?.['atomic-nightly.treefile-digest']);
  const text = await inTree(first.commit);
  for (const word of [world.dir, first.build, meta?.['ostree-timestamp'] ?? '']) expect(text).not.toContain(word);
});

test('beside the build are the bytes of the tree, the signatures, and a treefile to compose from', async () => {
  const folder = join(world.published, 'builds', first.build, 'x86_64');
  expect(await readFile(join(folder, 'provenance.json'), 'utf8')).toBe(await inTree(first.commit));
  const sums = await run('sha256sum', ['--check', '--strict', 'SHA256SUMS'], { cwd: folder });
  for (const name of ['provenance.json', 'signatures.json', 'treefile.tar.gz'])
    expect(sums.stdout).toContain(`${name}: OK`);
  const signatures = JSON.parse(await readFile(join(folder, 'signatures.json'), 'utf8'));
  expect(signatures.packages['app-1:2.0-1.noarch']).toEqual({
    file: `sha256:${await sha256File(rpmOf('app'))}`,
    key: expect.stringMatching(/^[0-9a-f]{16}$/),
  });

  const archive = join(folder, 'treefile.tar.gz');
  const listed = (await run('tar', ['-tvzf', archive, '--utc', '--numeric-owner'])).stdout.trimEnd().split('\n');
  expect(listed.map((line) => line.replace(/ +/g, ' ').replace(/ \d+ 1970/, ' 1970'))).toEqual(
    ['RPM-GPG-KEY-mini', 'mini.repo', 'mini.yaml'].map((name) => `-rw-r--r-- 0/0 1970-01-01 00:00 ${name}`),
  );
  const unpacked = join(world.dir, 'unpacked');
  await mkdir(unpacked);
  await run('tar', ['-xzf', archive, '-C', unpacked]);
  const [meta] = await records(world);
  const { digest } = await readTreefile(join(unpacked, 'mini.yaml'), { basearch: 'x86_64' });
  expect(digest).toBe(meta?.['atomic-nightly.treefile-digest']);

  expect(meta?.['atomic-nightly.inputs']).toEqual({
    repositories: {
      mini: {
        url: expect.stringMatching(/^file:/),
        repomd: await sha256File(join(world.distro.repoDir, 'repodata/repomd.xml')),
        generated: expect.stringMatching(/Z$/),
      },
    },
    checkout: {
      revision: expect.stringMatching(/^[0-9a-f]{40}$/),
      dirty: false,
      url: 'https://git.example.org/mini.git',
    },
    programs: { 'atomic-nightly': expect.any(String), ostree: expect.any(String) },
  });
  expect(await world.nightly('verify')).toMatchObject({ code: 0 });
  const plan = await world.nightly('publish', '--reconcile', '--dry-run');
  expect(plan).toMatchObject({ code: 0, stdout: expect.not.stringContaining('send') });
});

test('I10: repositories whose metadata is made again are unchanged', async () => {
  await regenerate(7);
  const same = await world.nightly('nightly');
  expect(same).toMatchObject({ code: 10, stdout: expect.stringContaining('same packages and treefile') });
});

test('a package that is only signed again is unchanged, unless the stream has signatures in its trees', async () => {
  await signRpm(rpmOf('app'), (await testKey()).home);
  await regenerate(9);
  const log = await world.nightly('nightly');
  expect(log.stderr).not.toContain('✗');
  expect(log).toMatchObject({ code: 10, stdout: expect.stringContaining('same packages and treefile') });
  expect(log.stderr + log.stdout).toContain('signed again and are the same otherwise: app-1:2.0-1.noarch');

  const text = await readFile(world.config, 'utf8');
  await writeFile(world.config, `${text}    provenance: {signatures: true}\n`);
  const withKeys = await nightly();
  const entry = async (commit: string) =>
    (await provenance(commit)).packages.find(({ nevra }) => nevra.startsWith('app-'));
  const signed = await entry(withKeys.commit);
  expect(signed?.file).toBe(`sha256:${await sha256File(rpmOf('app'))}`);
  expect(signed?.key).toMatch(/^[0-9a-f]{16}$/);
  expect((await world.nightly('nightly')).code).toBe(10);
  await signRpm(rpmOf('app'), (await testKey()).home);
  await regenerate(10);
  expect(await world.nightly('nightly', '--dry-run')).toMatchObject({ code: 0 });
  await writeFile(world.config, text);
});

test.runIf(everyCase)(
  'signed again beside a new package: only that one differs, and a promotion of either build is its tree',
  async () => {
    const built = await nightly('--force');
    await signRpm(rpmOf('app'), (await testKey()).home);
    await world.distro.bump('svc');
    const text = await readFile(world.config, 'utf8');
    const release =
      '  release: {promotes-from: nightly, ref: mini/x86_64/release, seed: {allow-new: true}, targets: [buildlogs]}\n';
    await writeFile(world.config, `${text}${release}`);
    const next = await nightly();
    const diff = await world.nightly('diff', built.build, next.build);
    expect(diff.stdout).toMatch(/^Upgraded:\n {2}svc .*\n(?! )/);
    const told = await world.nightly('provenance', built.build, next.build);
    expect(told.stdout).toMatch(/^Changed:\n {2}svc-[^\n]*\n {4}-> svc-[^\n]*\n$/);
    const files = async (id: string) => {
      const path = join(world.dir, 'work/builds', id, 'x86_64/signatures.json');
      return JSON.parse(await readFile(path, 'utf8')).packages['app-1:2.0-1.noarch'].file;
    };
    expect(await files(next.build)).toBe(`sha256:${await sha256File(rpmOf('app'))}`);
    expect(await files(built.build)).not.toBe(await files(next.build));

    // The file that the first was made of is in no repository any more; the compose cache has it.
    for (const { build } of [built, next]) {
      const promoted = await world.nightly('promote', build, '--rebuild', '--json');
      expect(promoted.stderr).not.toContain('✗');
      expect(promoted.stderr).toContain('byte for byte');
      expect(await files(JSON.parse(promoted.stdout).build)).toBe(await files(build));
    }
    await writeFile(world.config, text);
  },
);

test('a file that the treefile puts where the provenance goes is replaced, and the log says so', async () => {
  const folder = join(world.distro.dir, 'treefile');
  const text = await readFile(world.distro.treefile, 'utf8');
  await writeFile(join(folder, 'fake.json'), '{"packages": "none"}\n');
  await world.distro.writeTreefile({ 'add-files': [['fake.json', PATH]] });
  const made = await nightly();
  expect((await provenance(made.commit)).packages.length).toBeGreaterThan(5);
  const log = await world.nightly('log', made.build, 'compose');
  expect(log.stdout).toContain(`${PATH} of the packages or the treefile is replaced by what the tree is made of`);
  await writeFile(world.distro.treefile, text);
});

test.runIf(everyCase)(
  'I10: composed again elsewhere from what is published, a build has the same content',
  async () => {
    // Paths as one writes them who wants others to compose it.
    const folder = join(world.distro.dir, 'treefile');
    const repoFile = await readFile(world.distro.repoFile, 'utf8');
    await writeFile(world.distro.repoFile, repoFile.replace(/^gpgkey=.*$/m, 'gpgkey=RPM-GPG-KEY-mini'));
    const published = await nightly();
    const record = async (dir: string, id: string) =>
      JSON.parse(await readFile(join(dir, 'builds', id, 'x86_64/meta.json'), 'utf8'));
    const meta = await record(world.published, published.build);

    const dir = join(world.dir, 'elsewhere');
    const again = join(world.published, 'again');
    await mkdir(dir);
    await mkdir(again);
    const archive = join(world.published, 'builds', published.build, 'x86_64/treefile.tar.gz');
    await run('tar', ['-xzf', archive, '-C', dir]);
    const config = (await readFile(world.config, 'utf8'))
      .replace(world.distro.treefile, 'mini.yaml')
      .replaceAll(world.published, again)
      .replaceAll(world.url, `${world.url}/again`);
    // Users and groups keep the ids that the build before gave them: its commit is followed as it was.
    const before = join(world.published, 'before');
    const [ref, parent] = [meta.ref, meta['atomic-nightly.parent']];
    await run('ostree', ['init', `--repo=${before}`, '--mode=archive']);
    await run('ostree', ['pull-local', `--repo=${before}`, join(world.published, 'repo'), parent]);
    await run('ostree', ['refs', `--repo=${before}`, `--create=${ref}`, parent]);
    await run('ostree', ['summary', `--repo=${before}`, '--update']);
    const seed = `seed: {url: '${world.url}/before', allow-new: true}`;
    await writeFile(join(dir, 'atomic-nightly.yaml'), config.replace('seed: {allow-new: true}', seed));
    await run('mv', [folder, `${folder}-away`]);
    const seconds = String(Date.parse(meta['ostree-timestamp']) / 1000);
    const remake = await runCli(dir, ['nightly', '--force', '--json'], { SOURCE_DATE_EPOCH: seconds });
    await run('mv', [`${folder}-away`, folder]);
    expect(remake.stderr).not.toContain('✗');
    const { build } = JSON.parse(remake.stdout);
    const lockfile = async (at: string, id: string) =>
      JSON.parse(await readFile(join(at, 'builds', id, 'x86_64/lockfile.json'), 'utf8')).packages;
    expect(await lockfile(again, build)).toEqual(await lockfile(world.published, published.build));
    const remade = await record(again, build);
    expect(remade['ostree-content-checksum']).toBe(meta['ostree-content-checksum']);
    expect(remade['atomic-nightly.treefile-digest']).toBe(meta['atomic-nightly.treefile-digest']);
  },
);
