import { existsSync } from 'node:fs';
import { appendFile, chown, mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { run } from '../../src/programs/exec.ts';
import { gitState } from '../../src/programs/git.ts';
import { temporaryFolder, testTask } from '../support/tmp.ts';

const git = (folder: string, ...args: string[]) =>
  run('git', [
    '-C',
    folder,
    ...['-c', 'user.name=x', '-c', 'user.email=x@example.org', '-c', 'protocol.file.allow=always'],
    ...args,
  ]);

async function checkout(folder = join(temporaryFolder(), 'checkout')): Promise<string> {
  await mkdir(join(folder, 'sub'), { recursive: true });
  await writeFile(join(folder, 'sub/file'), 'one\n');
  await git(folder, 'init', '--quiet');
  await git(folder, 'add', '.');
  await git(folder, 'commit', '--quiet', '--message=one');
  return folder;
}

const state = (folder: string, ours: string[] = []) => gitState(folder, ours, testTask(temporaryFolder()));

test('revision, remote without its login, and whether it has changes that are not committed', async () => {
  const top = await checkout();
  const revision = (await git(top, 'rev-parse', 'HEAD')).stdout.trim();
  expect(await state(top)).toEqual({ revision, dirty: false });
  await git(top, 'remote', 'add', 'origin', 'https://joe:hunter2222@git.example.org/x.git');
  expect(await state(join(top, 'sub'))).toEqual({ revision, dirty: false, url: 'https://git.example.org/x.git' });

  await writeFile(join(top, '.git/info/exclude'), 'ignored\n');
  await writeFile(join(top, 'ignored'), '');
  expect(await state(top)).toMatchObject({ dirty: false });
  // The whole checkout counts: a treefile may include what lies beside its folder.
  await writeFile(join(top, 'new'), '');
  expect(await state(join(top, 'sub'))).toMatchObject({ revision, dirty: true });
  // Settings of the checkout hide nothing.
  await git(top, 'config', 'status.showUntrackedFiles', 'no');
  expect(await state(top)).toMatchObject({ dirty: true });
  await git(top, 'add', 'new');
  await git(top, 'commit', '--quiet', '--message=two');
  await writeFile(join(top, 'sub/file'), 'two\n');
  expect(await state(top)).toMatchObject({ dirty: true });
  expect((await state(top))?.revision).not.toBe(revision);
});

test('what this program writes into a checkout is no change of it', async () => {
  const top = await checkout();
  await mkdir(join(top, 'work [1]/repo'), { recursive: true });
  await writeFile(join(top, 'work [1]/repo/config'), '');
  await symlink(top, `${top}-link`);
  expect(await state(top)).toMatchObject({ dirty: true });
  const ours = [`${top}-link/work [1]`, join(top, 'not there'), '/usr', top];
  expect(await state(top, ours)).toMatchObject({ dirty: false });
  await writeFile(join(top, 'work 1'), '');
  expect(await state(top, ours)).toMatchObject({ dirty: true });
});

test('no checkout, one without a commit, and a bare one have no state', async () => {
  const dir = temporaryFolder();
  expect(await state(dir)).toBeUndefined();
  await git(dir, 'init', '--quiet');
  expect(await state(dir)).toBeUndefined();
  const bare = join(temporaryFolder(), 'bare');
  await git(dir, 'clone', '--quiet', '--bare', await checkout(), bare);
  expect(await state(bare)).toBeUndefined();
});

test("somebody else's checkout is read as it is, and nothing that it configures is run", async () => {
  const top = await checkout();
  const mark = join(temporaryFolder(), 'mark');
  const plant = ['sh', '-c', `touch ${mark}; cat`];
  const program = join(top, '.git/plant');
  await writeFile(program, `#!/bin/sh\ntouch ${mark}\ncat\n`, { mode: 0o755 });
  await writeFile(join(top, '.gitattributes'), '* filter=plant\n');
  await git(top, 'add', '.');
  await git(top, 'commit', '--quiet', '--message=attributes');
  for (const [key, value] of [
    ['filter.plant.clean', program],
    ['filter.plant.process', program],
    ['filter.plant.required', 'true'],
    ['core.fsmonitor', program],
    ['core.hooksPath', join(top, '.git')],
    ['core.sshCommand', plant.join(' ')],
    ['extensions.partialClone', 'origin'],
    ['remote.origin.promisor', 'true'],
    ['remote.origin.url', `ext::${program}`],
    ['protocol.ext.allow', 'always'],
  ] as const) {
    await git(top, 'config', key, value);
  }
  await writeFile(join(top, '.git/post-index-change'), `#!/bin/sh\ntouch ${mark}\n`, { mode: 0o755 });
  // Other times, so that git looks into the file.
  await writeFile(join(top, 'sub/file'), 'one\n');
  await chown(top, 4711, 4711);
  await chown(join(top, '.git'), 4711, 4711);
  expect(await state(top)).toMatchObject({ dirty: false });
  expect(existsSync(mark)).toBe(false);
  // The file is one that git would have had filtered.
  await run('git', ['-C', top, '-c', 'safe.directory=*', 'status'], { okExitCodes: [0, 1, 128] });
  expect(existsSync(mark)).toBe(true);
});

test('a partial clone fetches nothing', async () => {
  const top = await checkout();
  const clone = join(temporaryFolder(), 'clone');
  await git(top, 'config', 'uploadpack.allowFilter', 'true');
  await git(top, 'clone', '--quiet', '--filter=tree:0', '--no-checkout', `file://${top}`, clone);
  const objects = async () => (await git(clone, 'count-objects', '-v')).stdout;
  const before = await objects();
  await state(clone);
  expect(await objects()).toBe(before);
});

test('changes in a submodule are changes, and its filters are not run either; one that was never fetched is none', async () => {
  const inner = await checkout();
  const top = await checkout();
  await git(top, 'submodule', '--quiet', 'add', inner, 'common');
  await git(top, 'commit', '--quiet', '--message=common');
  expect(await state(top)).toMatchObject({ dirty: false });
  const mark = join(temporaryFolder(), 'mark');
  await git(join(top, 'common'), 'config', 'filter.plant.clean', `touch ${mark}; cat`);
  await writeFile(join(top, '.git/modules/common/info/attributes'), '* filter=plant\n');
  await writeFile(join(top, 'common/sub/file'), 'one\n');
  expect(await state(top)).toMatchObject({ dirty: false });
  await appendFile(join(top, 'common/sub/file'), 'two\n');
  expect(await state(top)).toMatchObject({ dirty: true });
  expect(existsSync(mark)).toBe(false);
  await git(join(top, 'common'), '-c', 'filter.plant.clean=', 'commit', '--quiet', '--all', '--message=two');
  expect(await state(top)).toMatchObject({ dirty: true });

  const clone = join(temporaryFolder(), 'clone');
  await git(top, 'clone', '--quiet', top, clone);
  expect(await state(clone)).toMatchObject({ dirty: false });
});

test('a hook of git that started this program does not lead it to its own checkout', async () => {
  const [top, other] = [await checkout(), await checkout()];
  await writeFile(join(other, 'new'), '');
  process.env['GIT_DIR'] = join(other, '.git');
  onTestFinished(() => {
    delete process.env['GIT_DIR'];
  });
  expect(await state(join(top, 'sub'))).toMatchObject({ dirty: false });
});
