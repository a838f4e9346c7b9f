import { cp, mkdir, readdir, readFile, realpath, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, onTestFinished, test } from 'vitest';
import { sha256File } from '../../src/base/files.ts';
import { VERSION } from '../../src/base/version.ts';
import { staticBusybox } from '../../src/builders/static-busybox.ts';
import { run } from '../../src/programs/exec.ts';
import { REPOSITORY } from '../support/repository.ts';
import { sharedFolder, temporaryFolder } from '../support/tmp.ts';
import { makeWorld, pulled, records } from '../support/world.ts';

const [RPM, TARBALL] = [`atomic-nightly-${VERSION}-1.noarch.rpm`, `atomic-nightly-${VERSION}.tgz`];
const made = sharedFolder();

async function makePackages(folder: string): Promise<void> {
  await run('npm', ['run', '--silent', 'package', '--', folder], {
    cwd: REPOSITORY,
    env: { SOURCE_DATE_EPOCH: '1764460800' },
  });
}

beforeAll(() => makePackages(made));

test('I10: the same sources make the same packages', async () => {
  const again = temporaryFolder();
  await makePackages(again);
  for (const name of [RPM, TARBALL])
    expect(await sha256File(join(again, name))).toBe(await sha256File(join(made, name)));
});

/** A root with the folders of EL 9 and Fedora, a shell, users, and nothing that a package of theirs would bring. */
async function emptyRoot(): Promise<string> {
  const root = temporaryFolder();
  for (const name of ['bin', 'sbin', 'lib', 'lib64']) {
    await mkdir(join(root, 'usr', name), { recursive: true });
    await symlink(`usr/${name}`, join(root, name));
  }
  for (const name of ['etc', 'proc', 'dev', 'tmp', 'var']) await mkdir(join(root, name));
  await cp(await staticBusybox(), join(root, 'usr/bin/sh'));
  await writeFile(join(root, 'etc/passwd'), 'root:x:0:0::/root:/bin/sh\n');
  await writeFile(join(root, 'etc/group'), 'root:x:0:\n');
  await writeFile(join(root, 'etc/os-release'), 'ID=centos\nID_LIKE="rhel fedora"\nVERSION_ID=9\n');
  return root;
}

/** Runs a command in a root that has this machine's Node.js and bash at their places on Fedora, and no network. */
async function inside(root: string, ...command: readonly string[]): Promise<{ code: number; stdout: string }> {
  const libraries = await realpath('/lib/x86_64-linux-gnu');
  const binds = {
    '/usr/bin/node': process.execPath,
    '/usr/bin/bash': '/bin/bash',
    '/usr/lib/x86_64-linux-gnu': libraries,
    '/usr/lib64/ld-linux-x86-64.so.2': await realpath('/lib64/ld-linux-x86-64.so.2'),
  };
  const { exitCode, stdout } = await run(
    'bwrap',
    [
      ...['--bind', root, '/', ...Object.entries(binds).flatMap(([to, from]) => ['--ro-bind', from, to])],
      ...['--proc', '/proc', '--dev', '/dev', '--tmpfs', '/tmp', '--unshare-pid', '--unshare-net', '--die-with-parent'],
      ...[
        '--clearenv',
        '--setenv',
        'PATH',
        '/usr/bin:/usr/sbin',
        '--setenv',
        'HOME',
        '/tmp',
        '--chdir',
        '/tmp',
        ...command,
      ],
    ],
    { okExitCodes: [0, 1, 2] },
  );
  return { code: exitCode, stdout };
}

test('the RPM installs into an empty root laid out as EL 9, and the program runs there', async () => {
  const root = await emptyRoot();
  await run('rpm', ['--install', '--root', root, '--nodeps', join(made, RPM)]);
  await run('rpm', ['--verify', '--root', root, '--nodeps', 'atomic-nightly']);

  expect(await inside(root, 'atomic-nightly', '--version')).toEqual({ code: 0, stdout: `${VERSION}\n` });
  const doctor = await inside(root, 'atomic-nightly', '--config', '/etc/atomic-nightly/atomic-nightly.yaml', 'doctor');
  expect(doctor.code).toBe(1);
  expect(doctor.stdout).toMatch(/^ok +configuration +\/etc\/atomic-nightly\/atomic-nightly.yaml$/m);
  expect(doctor.stdout).toMatch(/^missing +ostree /m);
  const completing = '. /usr/share/bash-completion/completions/atomic-nightly && complete -p atomic-nightly';
  expect((await inside(root, 'bash', '-c', completing)).stdout).toContain('_atomic_nightly');

  const page = join(root, 'usr/share/man/man1/atomic-nightly.1.gz');
  expect((await run('man', ['--warnings', '--local-file', page], { env: { LC_ALL: 'C.UTF-8' } })).stderr).toBe('');
  await run('systemd-sysusers', [`--root=${root}`]);
  await run('systemd-tmpfiles', [`--root=${root}`, '--create', 'atomic-nightly.conf']);
  expect(await readFile(join(root, 'etc/passwd'), 'utf8')).toMatch(
    /^atomic-nightly:x:\d+:\d+:.*:\/usr\/sbin\/nologin$/m,
  );
  expect(await readdir(join(root, 'srv'))).toEqual(['atomic']);
  const units = join(root, 'usr/lib/systemd/system');
  expect(await readdir(units)).toEqual(
    (await readdir(join(REPOSITORY, 'systemd'))).filter((name) => !name.endsWith('.d')),
  );

  // A changed configuration is the administrator's; the program's files go.
  const config = join(root, 'etc/atomic-nightly/atomic-nightly.yaml');
  await writeFile(config, 'mine\n');
  await run('rpm', ['--reinstall', '--root', root, '--nodeps', join(made, RPM)]);
  expect(await readFile(config, 'utf8')).toBe('mine\n');
  await run('rpm', ['--erase', '--root', root, 'atomic-nightly']);
  expect(await readdir(join(root, 'usr/lib/node_modules'))).toEqual([]);
});

test('the npm tarball installs without a registry, and makes a nightly build from any folder', async () => {
  const [prefix, home] = [temporaryFolder(), temporaryFolder()];
  const env = { HOME: home, npm_config_cache: join(home, 'npm'), npm_config_registry: 'http://127.0.0.1:9/' };
  await run('npm', ['install', '--global', '--offline', '--prefix', prefix, join(made, TARBALL)], { cwd: home, env });
  const program = join(prefix, 'bin/atomic-nightly');
  expect((await run(program, ['--version'], { cwd: home })).stdout).toBe(`${VERSION}\n`);
  expect((await run('man', ['--manpath', join(prefix, 'share/man'), '--where', 'atomic-nightly'])).stdout).not.toBe('');

  const world = await makeWorld(temporaryFolder(), { images: ['generic-cloud'] });
  onTestFinished(() => world.stop());
  const installed = (...args: readonly string[]) => run(program, args, { cwd: world.dir, env: { HOME: home } });
  expect((await installed('doctor')).stdout).toContain('Everything needed is there.');
  await installed('nightly');
  const [build] = await records(world);
  expect(build).toMatchObject({ 'atomic-nightly.state': 'complete', images: { 'generic-cloud': {} } });
  expect(await pulled(world, join(world.dir, 'client'))).toBe(build?.['ostree-commit']);
});
