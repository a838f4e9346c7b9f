import { appendFile, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { run } from '../../src/programs/exec.ts';
import { everyCase } from '../support/every-case.ts';
import { mountTmpfs, readOnlyFolder } from '../support/mounts.ts';
import { startSshd } from '../support/sshd.ts';
import { temporaryFolder } from '../support/tmp.ts';
import { makeWorld, pulled, records, startCli, type World, type WorldOptions } from '../support/world.ts';

async function worldFor(options: WorldOptions = {}): Promise<World> {
  const world = await makeWorld(temporaryFolder(), options);
  onTestFinished(() => world.stop());
  return world;
}

/** A world with one published night. */
async function publishedWorld(options: WorldOptions = {}): Promise<World> {
  const world = await worldFor(options);
  expect((await world.nightly('nightly')).code).toBe(0);
  return world;
}

/** Runs a night that must fail with such a message, and leave what is published as it was. */
async function refused(world: World, message: RegExp, code = 1): Promise<void> {
  const commit = (await records(world)).find((meta) => meta['ostree-commit'])?.['ostree-commit'];
  const result = await world.nightly('nightly');
  expect(result.stderr).toMatch(message);
  expect(result.stderr).toMatch(/what to do: \S/);
  expect(result.code).toBe(code);
  if (commit) expect(await pulled(world, await mkdtemp(join(world.dir, 'client-')))).toBe(commit);
}

test('I5: repository metadata older than the published commit was made from stops the run', async () => {
  const world = await publishedWorld();
  await world.distro.bump('app');
  // A mirror that lags: metadata of an hour ago.
  const hourAgo = String(Math.floor(Date.now() / 1000) - 3600);
  await run('createrepo_c', [
    '--quiet',
    '--no-database',
    '--simple-md-filenames',
    '--revision',
    hourAgo,
    '--set-timestamp-to-revision',
    world.distro.repoDir,
  ]);
  await refused(world, /Repository "mini" .* the mirror lags behind/);
});

test('I5: a package that went back stops the run, unless the stream allows it', async () => {
  const world = await worldFor();
  await world.distro.bump('app');
  expect((await world.nightly('nightly')).code).toBe(0);
  await world.distro.remove('app', '2.0-2');
  await refused(world, /older packages than the published commit:\n {2}app: 1:2\.0-2\.noarch → 1:2\.0-1\.noarch/);
  await appendFile(world.config, '    allow-downgrades: [app]\n');
  expect((await world.nightly('nightly')).code).toBe(0);
});

test.runIf(everyCase)('I5: a seed that serves less than the target has stops the run', async () => {
  const world = await publishedWorld();
  const config = `${world.url}/lagging/repo`;
  const text = await readFile(world.config, 'utf8');
  await writeFile(world.config, text.replace('seed: {allow-new: true}', `seed: {allow-new: true, url: '${config}'}`));
  await refused(world, /Target "buildlogs" has [0-9a-f]{64} .* would go back in time/);
});

test('an absent repo starts a new one only when the stream says it may', async () => {
  const world = await worldFor();
  await writeFile(world.config, (await readFile(world.config, 'utf8')).replace('    seed: {allow-new: true}\n', ''));
  await refused(world, /has no ref mini\/x86_64\/nightly, and stream "nightly" may not start a new one/);
});

test('a missing package is named', async () => {
  const world = await worldFor();
  await world.distro.writeTreefile({ packages: ['filesystem', 'setup', 'no-such-package'] });
  await refused(world, /no-such-package/);
});

test.runIf(everyCase)('an unsatisfiable dependency is explained', async () => {
  const world = await publishedWorld();
  await world.distro.remove('app');
  await world.distro.bumpBroken('svc');
  await world.distro.remove('svc', '1.0-1');
  await refused(world, /nobody-provides-this|No match for argument: app|app/);
});

test('a repository id that no .repo file has is named with the known ones', async () => {
  const world = await worldFor();
  await world.distro.writeTreefile({ repos: ['mini', 'sig'] });
  await refused(world, /"sig".* Defined are mini/, 2);
});

test('a repository that cannot be reached is named with its URL', async () => {
  const world = await worldFor();
  await world.distro.writeRepoFile({ baseurl: 'http://127.0.0.1:59999/nowhere' });
  await refused(world, /Repository "mini" cannot be read:\s+http:\/\/127\.0\.0\.1:59999\/nowhere/);
});

test('I2: an unsigned package under gpgcheck is refused by name', async () => {
  const world = await publishedWorld({ signed: true });
  await world.distro.bumpUnsigned('app');
  await refused(world, /app-(1:)?2\.0-2/);
});

test('an unknown treefile key is an error with its line and the nearest known key', async () => {
  const world = await worldFor();
  await world.distro.writeTreefile({ pakages: ['x'] });
  await refused(world, /mini\.yaml:\d+:\d+.*pakages[\s\S]*packages/, 2);
});

test('broken YAML is an error with its line', async () => {
  const world = await worldFor();
  await appendFile(world.config, 'streams: [\n');
  await refused(world, /atomic-nightly\.yaml:\d+:\d+/, 2);
});

test('a target that cannot be written to stops the run before any work', async () => {
  const dir = temporaryFolder();
  const world = await worldFor({
    target: (_, url) => `{type: directory, path: ${join(dir, 'read-only')}, url: '${url}'}`,
  });
  await readOnlyFolder(dir);
  await refused(world, /Target "buildlogs", directory .*read-only: EROFS[\s\S]*Mount that file system/);
});

test.runIf(everyCase)('a host key that is not the known one stops the run before any work, over ssh', async () => {
  const dir = temporaryFolder();
  const { port, identityFile, knownHostsFile, wrongKnownHostsFile } = await startSshd(dir);
  const world = await worldFor({
    target: (published, url) =>
      `{type: rsync, destination: '127.0.0.1:${published}', url: '${url}', ssh: {port: ${port}, identity-file: ${identityFile}, known-hosts-file: ${wrongKnownHostsFile}}}`,
  });
  await refused(world, /Cannot publish to 127\.0\.0\.1:.*host key|Host key/i);
  await writeFile(world.config, (await readFile(world.config, 'utf8')).replace(wrongKnownHostsFile, knownHostsFile));
  expect((await world.nightly('nightly')).code).toBe(0);
  const meta = (await records(world)).at(-1);
  expect(await pulled(world, join(world.dir, 'client'))).toBe(meta?.['ostree-commit']);
});

test.runIf(everyCase)('a full disk stops the run, and resume goes on once there is space', async () => {
  const world = await worldFor();
  const work = join(world.dir, 'work');
  await mountTmpfs(work, 'size=3m');
  await refused(world, /No space left|disk is full/i);
  await run('mount', ['-o', 'remount,size=500m', work]);
  expect((await world.nightly('resume')).code).toBe(0);
});

test('I7: a second run beside the first is told so by exit code 11', async () => {
  const world = await worldFor();
  const first = startCli(world.dir, ['nightly']);
  const ended = new Promise((resolve) => first.on('close', resolve));
  await new Promise((resolve) => first.stderr.once('data', resolve));
  const second = await world.nightly('nightly');
  expect(second).toMatchObject({
    code: 11,
    stderr: expect.stringContaining('The work folder is locked by another run: "nightly"'),
  });
  await ended;
});

test('I7: an interrupted run ends with 130, says how to go on, and can be resumed', async () => {
  const world = await worldFor();
  const first = startCli(world.dir, ['nightly']);
  let stderr = '';
  const ended = new Promise((resolve) => first.on('close', resolve));
  await new Promise<void>((resolve) =>
    first.stderr.on('data', (chunk) => {
      stderr += chunk;
      if (stderr.includes('… compose')) resolve();
    }),
  );
  first.kill('SIGTERM');
  expect(await ended).toBe(130);
  expect(stderr).toContain('atomic-nightly resume');
  expect((await world.nightly('resume')).code).toBe(0);
});

test('wrong usage is exit code 2', async () => {
  const world = await worldFor();
  expect((await world.nightly('nightly', 'nonsense')).code).toBe(2);
  expect((await world.nightly('frobnicate')).code).toBe(2);
  expect((await world.nightly('show', 'yesterday')).code).toBe(2);
  expect((await world.nightly('--help')).code).toBe(0);
});
