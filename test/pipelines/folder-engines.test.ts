import { existsSync, readFileSync } from 'node:fs';
import { chmod, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { readCommit } from '../../src/ostree/objects.ts';
import { run } from '../../src/programs/exec.ts';
import { everyCase } from '../support/every-case.ts';
import { makeFolderWorld, smallTree } from '../support/folder-world.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { pulled, records, startCli } from '../support/world.ts';

const PROMOTED = [
  '  release:',
  '    promotes-from: nightly',
  '    ref: mini/x86_64/release',
  '    seed: {allow-new: true}',
  '    targets: [buildlogs]',
];

test('a folder is a nightly build: published, unchanged, changed, promoted, and never touched', async () => {
  const dir = temporaryFolder();
  const tree = join(dir, 'tree');
  await smallTree(tree);
  const world = await makeFolderWorld(dir, '{type: checkout, path: tree}');
  onTestFinished(() => world.stop());
  await world.configure('{type: checkout, path: tree}', [], PROMOTED);
  const listing = async () => (await run('find', [tree, '-printf', '%p %i %n %T@ %C@ %m %u\n'])).stdout;
  const before = await listing();

  const first = await world.nightly('nightly', '--json');
  expect(first.stderr).not.toContain('✗');
  const { build, commit } = JSON.parse(first.stdout);
  expect(await pulled(world, join(dir, 'client'))).toBe(commit);
  const ls = async (ref: string) =>
    (await run('ostree', [`--repo=${join(dir, 'work/repo')}`, 'ls', '-R', ref])).stdout.replaceAll(/ +/g, ' ');
  expect(await ls(commit)).toMatch(/-00644 0 0 14 \/usr\/etc\/app\.conf\n/);
  expect(await ls(commit)).not.toMatch(/ \/etc/);
  expect(await listing()).toBe(before);

  // It lies in a checkout of git, which is in the record and not in the tree: another revision of it is no other tree.
  const git = (...args: string[]) =>
    run('git', ['-C', dir, '-c', 'user.name=x', '-c', 'user.email=x@example.org', ...args]);
  const inputsOf = async (id: string) =>
    JSON.parse(await readFile(join(dir, 'work/builds', id, 'x86_64/meta.json'), 'utf8'))['atomic-nightly.inputs'];
  const programs = { 'atomic-nightly': expect.any(String), ostree: expect.stringMatching(/^\d{4}\.\d+/) };
  expect(await inputsOf(build)).toEqual({ repositories: {}, programs });
  await git('init', '--quiet');
  await writeFile(join(dir, '.git/info/exclude'), 'client\n');
  await git('remote', 'add', 'origin', 'https://joe:hunter2222@git.example.org/tree.git');
  await git('add', 'tree', 'atomic-nightly.yaml');
  await git('commit', '--quiet', '--message=one');
  const same = await world.nightly('nightly');
  expect(same.code).toBe(10);
  // Another copy of the same files, with other times and inodes, is the same tree.
  await run('cp', ['-r', tree, join(dir, 'copy')]);
  await rm(tree, { recursive: true });
  await run('mv', [join(dir, 'copy'), tree]);
  expect((await world.nightly('nightly')).code).toBe(10);

  await writeFile(join(tree, 'usr/bin/app'), '#!/bin/sh\necho 2\n');
  await writeFile(join(tree, 'usr/lib/more'), 'more\n');
  const second = JSON.parse((await world.nightly('nightly', '--json')).stdout);
  expect(await readCommit(join(dir, 'work/repo'), second.commit)).toMatchObject({
    parent: commit,
    version: second.build,
  });
  const revision = (await git('rev-parse', 'HEAD')).stdout.trim();
  const url = 'https://git.example.org/tree.git';
  expect(await inputsOf(second.build)).toEqual({
    repositories: {},
    programs,
    checkout: { revision, dirty: true, url },
  });
  expect((await world.nightly('show', second.build)).stdout).toContain(
    `Checkout:  git ${revision}, with changes that are not committed`,
  );
  await git('add', 'tree');
  await git('commit', '--quiet', '--message=two');
  const forced = await world.nightly('nightly', '--force', '--json');
  const third = JSON.parse(forced.stdout).build;
  expect((await inputsOf(third)).checkout).toMatchObject({ dirty: false, url });
  expect((await inputsOf(third)).checkout.revision).not.toBe(revision);
  const diff = await world.nightly('diff', build, second.build);
  expect(diff.stdout).toMatch(/1 added, 0 removed, 1 changed/);
  expect(diff.stdout).not.toContain('Kernel');
  expect(diff.stdout).toMatch(/\/usr\/bin: 1 changed, \+0 B\n {2}\/usr\/lib: 1 added, \+5 B/);

  const planned = await world.nightly('promote', second.build, '--dry-run');
  expect(planned.stderr).not.toContain('✗');
  expect(planned.stdout).toContain(`The tree of ${second.build} at mini/x86_64/release`);
  expect((await world.nightly('promote', second.build, '--exclude', 'app')).stderr).toContain(
    'not made of RPM packages',
  );
  const promotion = await world.nightly('promote', second.build, '--json');
  expect(promotion.stderr).not.toContain('✗');
  const promoted = JSON.parse(promotion.stdout);
  const checksum = (id: string) =>
    JSON.parse(readFileSync(join(dir, 'work/builds', id, 'x86_64/meta.json'), 'utf8'))['ostree-content-checksum'];
  expect(checksum(promoted.build)).toBe(checksum(second.build));
  expect(checksum(third)).toBe(checksum(second.build));
  expect(await inputsOf(promoted.build)).toEqual(await inputsOf(second.build));
  const rebuilt = await world.nightly('promote', second.build, '--rebuild', '--json');
  expect(rebuilt.stderr).not.toContain('✗');
  expect(checksum(JSON.parse(rebuilt.stdout).build)).toBe(checksum(second.build));
  await writeFile(join(tree, 'usr/lib/more'), 'other\n');
  const refused = await world.nightly('promote', second.build, '--rebuild');
  expect(refused.stderr).toContain('was made from changed since: it cannot be built again');

  // Taken back, its folder is not built again by itself.
  await writeFile(join(tree, 'usr/lib/more'), 'more\n');
  const back = await world.nightly('retract', third, '--reason', 'bad', '--json');
  expect(back.stderr).not.toContain('✗');
  const again = await world.nightly('nightly');
  expect(again.code).toBe(10);
  expect(await ls('mini/x86_64/nightly')).not.toContain('/usr/lib/more');
});

test.runIf(everyCase)(
  'a command is a nightly build: its inputs decide, its report names components, its first error is the cause',
  async () => {
    const dir = temporaryFolder();
    const world = await makeFolderWorld(dir, 'dnf');
    onTestFinished(() => world.stop());
    const engine = '{type: command, command: [./make], inputs: {command: [cat, inputs]}}';
    await world.configure(engine, [], PROMOTED);
    const make = async (lines: readonly string[]) => {
      await writeFile(join(dir, 'make'), ['#!/bin/sh', 'set -e', 'echo run >>runs', ...lines, ''].join('\n'));
      await chmod(join(dir, 'make'), 0o755);
    };
    const runs = () => readFileSync(join(dir, 'runs'), 'utf8').split('\n').length - 1;
    const report = (version: string) =>
      `echo '{components: [{name: base/app.bst, version: "${version}", key: aabbccdd11, kind: import, sources: [{kind: git, url: "https://example.org/app", commit: "0123abc"}]}]}' >"$ATOMIC_PROVENANCE"`;
    const fill = ['mkdir -p "$ATOMIC_ROOT/usr/lib" "$ATOMIC_ROOT/etc"', 'cp inputs "$ATOMIC_ROOT/usr/lib/inputs"'];
    await writeFile(join(dir, 'inputs'), 'one\n');
    await make([...fill, report('1.0'), 'env | sort >env']);
    await writeFile(join(dir, '.gitignore'), '/runs\n/env\n');
    for (const args of [['init'], ['add', '.'], ['commit', '--message=one']])
      await run('git', ['-C', dir, '-c', 'user.name=x', '-c', 'user.email=x@example.org', ...args]);

    const first = await world.nightly('nightly', '--json');
    expect(first.stderr).not.toContain('✗');
    const { build } = JSON.parse(first.stdout);
    const own = (id: string, name: string) => join(dir, 'work/builds', id, 'x86_64', name);
    expect(JSON.parse(await readFile(own(build, 'provenance-report.json'), 'utf8')).components[0]).toMatchObject({
      name: 'base/app.bst',
      sources: [{ kind: 'git', commit: '0123abc' }],
    });
    expect(await readFile(own(build, 'inputs.txt'), 'utf8')).toBe('one\n');
    const record = async (id: string) => JSON.parse(await readFile(own(id, 'meta.json'), 'utf8'));
    expect(await record(build)).toMatchObject({
      'atomic-nightly.engine': { name: 'command', version: expect.stringMatching(/^\d{4}\.\d+/) },
      'atomic-nightly.inputs': { checkout: { revision: expect.stringMatching(/^[0-9a-f]{40}$/), dirty: false } },
    });
    const names = (await readFile(join(dir, 'env'), 'utf8')).split('\n').map((line) => line.split('=')[0]);
    const allowed =
      'ATOMIC_NIGHTLY_RUN ATOMIC_PROVENANCE ATOMIC_ROOT HOME LC_ALL LOGNAME PATH PWD SHLVL SOURCE_DATE_EPOCH TMPDIR TZ USER _ OLDPWD';
    expect(names.filter((name) => name !== '' && !allowed.split(' ').includes(name ?? ''))).toEqual([]);

    expect((await world.nightly('nightly')).code).toBe(10);
    expect(runs()).toBe(1);

    await writeFile(join(dir, 'inputs'), 'two\n');
    await make([...fill, report('1.1')]);
    const second = JSON.parse((await world.nightly('nightly', '--json')).stdout);
    expect((await record(second.build))['atomic-nightly.inputs'].checkout.dirty).toBe(true);
    expect((await world.nightly('diff', build, second.build)).stdout).toContain(
      'base/app.bst 1.0 (aabbccdd) -> 1.1 (aabbccdd)',
    );
    const shown = (await world.nightly('show', second.build)).stdout;
    expect(shown).toContain('Components:\nChanged:\n  base/app.bst 1.0 (aabbccdd) -> 1.1 (aabbccdd)\n');
    expect(shown).toMatch(/^Engine: +command, committed by ostree \d/m);
    expect(shown).toContain('Made of:   1 component (');
    const page = await readFile(join(world.published, 'builds', second.build, 'x86_64/index.html'), 'utf8');
    expect(page).toContain('<h2 id="packages-title">Components</h2>');
    expect(page).toMatch(/<th scope="col">Component<\/th>[\s\S]*base\/app\.bst[\s\S]*>changed</);
    expect(page).toContain('1 changed.');

    // What it reported is in the tree, beside the build, and told with what is not pinned.
    const path = '/usr/share/atomic-nightly/provenance.json';
    const inTree = (await run('ostree', [`--repo=${join(dir, 'work/repo')}`, 'cat', second.commit, path])).stdout;
    expect(await readFile(own(second.build, 'provenance.json'), 'utf8')).toBe(inTree);
    const told = await world.nightly('provenance', second.build);
    expect(told.stdout).toMatch(/^ {2}COMPONENT +VERSION +KIND +KEY$/m);
    expect(told.stdout).toMatch(
      / {2}base\/app\.bst +1\.1 +import +aabbccdd11\n {4}git https:\/\/example\.org\/app commit 0123abc/,
    );
    expect((await world.nightly('provenance', second.commit, '--json')).stdout).toBe(inTree);
    expect((await world.nightly('provenance', 'mini/x86_64/nightly', '--yaml')).stdout).toContain('commit: 0123abc');
    expect((await world.nightly('provenance', build, second.build)).stdout).toMatch(
      /^Changed:\n {2}base\/app.bst 1.0.*\n {4}-> base\/app.bst 1.1/,
    );

    // A rebuild runs the command again, and compares.
    const rebuilt = await world.nightly('promote', second.build, '--rebuild', '--json');
    expect(rebuilt.stderr).not.toContain('✗');
    expect(runs()).toBe(3);
    await make([...fill, 'date +%N >"$ATOMIC_ROOT/usr/lib/now"', report('1.1')]);
    const other = await world.nightly('promote', second.build, '--rebuild');
    expect(other.stderr).toMatch(/differs from that of nightly build .*\n\s*added \/usr\/lib\/now/);

    await writeFile(join(dir, 'inputs'), 'three\n');
    await make(['echo working >&2', 'echo "E: the mirror is gone" >&2', 'echo cleaning up >&2', 'exit 3']);
    const failed = await world.nightly('nightly');
    expect(failed.code).toBe(1);
    expect(failed.stderr).toMatch(/make ended with exit code 3\.\s+E: the mirror is gone/);
    await make([...fill, 'echo "{components: [{nam: x}]}" >"$ATOMIC_PROVENANCE"']);
    expect((await world.nightly('nightly')).stderr).toMatch(
      /not a report: [\s\S]*:1:15: components\.0: "name" is missing/,
    );
    await writeFile(join(dir, 'inputs'), '');
    expect((await world.nightly('nightly')).stderr).toContain('printed nothing');
  },
);

test.runIf(everyCase)('a command that is killed with the program is run again by resume, in a new folder', async () => {
  const dir = temporaryFolder();
  const world = await makeFolderWorld(dir, '{type: command, command: [./make], inputs: {files: [make, more]}}');
  onTestFinished(() => world.stop());
  await mkdir(join(dir, 'more'));
  await writeFile(join(dir, 'more/file'), 'one\n');
  await writeFile(
    join(dir, 'make'),
    '#!/bin/sh\nmkdir -p "$ATOMIC_ROOT/usr"\n[ -e go ] || { touch "$ATOMIC_ROOT/usr/half" hanging; sleep 1000; }\ntouch "$ATOMIC_ROOT/usr/whole"\n',
    { mode: 0o755 },
  );
  const victim = startCli(dir, ['nightly']);
  victim.stdout.resume();
  victim.stderr.resume();
  while (!existsSync(join(dir, 'hanging'))) await sleep(20);
  process.kill(-(victim.pid ?? 0), 'SIGKILL');
  await writeFile(join(dir, 'go'), '');
  const resumed = await world.nightly('resume');
  expect(resumed.stderr).not.toContain('✗');
  expect(resumed.code).toBe(0);
  const commit = (await records(world)).at(-1)?.['ostree-commit'] ?? '';
  const { stdout } = await run('ostree', [`--repo=${join(dir, 'work/repo')}`, 'ls', commit, '/usr']);
  expect(stdout).toContain('/usr/whole');
  expect(stdout).not.toContain('/usr/half');
  await writeFile(join(dir, 'more/file'), 'two\n');
  expect((await world.nightly('nightly', '--dry-run')).code).toBe(0);
});
