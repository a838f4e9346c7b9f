import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { NightlyError } from '../../../src/base/errors.ts';
import { makeDeclaredUsers } from '../../../src/engines/dnf/tree/system.ts';
import { refuseStrange } from '../../../src/engines/dnf/tree/tree-kinds.ts';
import { run } from '../../../src/programs/exec.ts';
import { type MiniDistro, makeMiniDistro } from '../../support/mini-distro.ts';
import { temporaryFolder, testTask } from '../../support/tmp.ts';
import { composeMini, makePlace, type Place } from './support.ts';

let place: Place;
let distro: MiniDistro;
beforeAll(async () => {
  place = await makePlace();
  distro = await makeMiniDistro(join(place.dir, 'distro'));
});
afterAll(() => rmSync(place.dir, { recursive: true, force: true }));

/** A package whose files a shell line makes, below `$RPM_BUILD_ROOT`. */
async function publish(name: string, install: string, files: string): Promise<void> {
  const dir = temporaryFolder();
  const spec = `Name: ${name}\nVersion: 1\nRelease: 1\nSummary: x\nLicense: MIT\nBuildArch: noarch\nAutoReqProv: no\n%description\nx\n%install\nmkdir -p %{buildroot}/usr/share\n${install}\n%files\n${files}\n`;
  await run('sh', ['-c', 'cat > "$0/a.spec"', dir], { input: spec });
  await run('rpmbuild', [
    '-bb',
    '--define',
    `_topdir ${dir}`,
    '--define',
    `_rpmdir ${distro.repoDir}`,
    '--define',
    '_invalid_encoding_terminates_build 0',
    join(dir, 'a.spec'),
  ]);
  await run('createrepo_c', ['--quiet', '--no-database', '--simple-md-filenames', '--update', distro.repoDir]);
}

const refusal = async (packages: readonly string[]): Promise<NightlyError> => {
  await distro.writeTreefile({ packages: ['filesystem', 'busybox', ...packages] });
  const error: unknown = await composeMini(distro, place).catch((caught: unknown) => caught);
  if (error instanceof NightlyError) return error;
  throw new Error(`not refused: ${String(error)}`);
};

it('refuses all that a commit cannot hold before anything is installed, with package and path, at once', async () => {
  const socket = `python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("%{buildroot}/usr/share/odd/sock")'`;
  const odd = [
    'mkdir -p %{buildroot}/usr/share/odd',
    'mkfifo %{buildroot}/usr/share/odd/pipe',
    `cd %{buildroot}/usr/share/odd; touch "$(printf 'x\\377')"; cd -`,
    socket,
  ].join('\n');
  await publish('odd', odd, '/usr/share/odd');
  await publish('device', '', '%dev(c,1,3) /usr/share/null\n%dev(b,7,0) /usr/share/loop');
  const { code, message, hint } = await refusal(['odd', 'device']);
  expect(code).toBe('compose');
  expect(message.split('\n').slice(1).toSorted()).toEqual([
    '  device-1-1.noarch has /usr/share/loop, a block device',
    '  device-1-1.noarch has /usr/share/null, a character device',
    '  odd-1-1.noarch has /usr/share/odd/pipe, a FIFO',
    '  odd-1-1.noarch has /usr/share/odd/sock, a socket',
    '  odd-1-1.noarch has /usr/share/odd/x\\xff, a name that is not UTF-8',
  ]);
  expect(hint).toContain('Exclude the package');
  expect(readdirSync(join(place.dir, 'scratch/root'))).not.toContain('usr');
});

it('refuses a name with a line break, which rpmbuild makes no more, on one line', async () => {
  const helper = new URL('../../../src/engines/dnf/', import.meta.url).pathname;
  const script = [
    `import rpm, sys; sys.path.insert(0, ${JSON.stringify(helper)}); import depsolve`,
    'tags = (rpm.RPMTAG_FILENAMES, rpm.RPMTAG_FILEMODES, rpm.RPMTAG_FILEFLAGS, rpm.RPMTAG_NEVRA)',
    "print(depsolve.unfit_files(dict(zip(tags, (['/a\\nb'], [0o100644], [0], 'x-1-1.noarch')))))",
  ];
  const { stdout } = await run('/usr/bin/python3', ['-c', script.join('\n')], {
    env: { PYTHONDONTWRITEBYTECODE: '1' },
  });
  expect(stdout).toBe("['x-1-1.noarch has /a\\\\nb, a name with a control character']\n");
});

it('refuses what scripts leave in a tree, with every path', async () => {
  const script = [
    'mkdir -p /usr/share/left /var/left /usr/lib/sysusers.d /etc/sysusers.d',
    'mkfifo /usr/share/left/pipe /etc/pipe /var/left/not-in-a-commit',
    // Whoever makes the declared users would wait for them.
    'mkfifo /usr/lib/sysusers.d/pipe.conf /etc/sysusers.d/pipe.conf',
    `touch "/usr/share/left/$(printf 'x\\377')" "/usr/share/left/$(printf 'two\\nlines')"`,
  ].join('\n');
  await distro.publish({ name: 'leaver', version: '1', release: '1', requires: ['busybox'], post: script, files: [] });
  const { code, message } = await refusal(['leaver']);
  expect(code).toBe('compose');
  expect(message.split('\n').slice(1)).toEqual([
    '  /etc/pipe: a FIFO',
    '  /etc/sysusers.d/pipe.conf: a FIFO',
    '  /usr/lib/sysusers.d/pipe.conf: a FIFO',
    '  /usr/share/left/pipe: a FIFO',
    '  /usr/share/left/two\\x0alines: a name with a control character',
    '  /usr/share/left/x\\xff: a name that is not UTF-8',
  ]);
});

it('I7: a link of sysusers.d to a FIFO that goes anyway is waited for by nobody, one to a device is refused', async () => {
  const root = temporaryFolder();
  for (const folder of ['usr/lib/sysusers.d', 'usr/bin', 'run/left', 'var'])
    mkdirSync(join(root, folder), { recursive: true });
  execFileSync('mkfifo', [join(root, 'run/left/pipe'), join(root, 'var/pipe')]);
  writeFileSync(join(root, 'usr/bin/systemd-sysusers'), '');
  const link = join(root, 'usr/lib/sysusers.d/x.conf');
  symlinkSync('/run/left/pipe', link);
  refuseStrange(root);
  expect([...readdirSync(join(root, 'run/left')), ...readdirSync(join(root, 'var'))]).toEqual([]);
  for (const device of ['/dev/zero', '../../../dev/tty']) {
    rmSync(link);
    symlinkSync(device, link);
    await expect(makeDeclaredUsers(root, 1, testTask(root)), device).rejects.toMatchObject({
      code: 'compose',
      message: expect.stringMatching(/usr\/lib\/sysusers\.d\/x\.conf leads to \/dev\/(?:zero|tty)$/),
    });
  }
});

it('says why a package cannot be unpacked', async () => {
  const pre = 'mkdir -p /usr/share/taken/folder';
  const files = [{ path: '/usr/share/taken', text: 'x\n' }];
  await distro.publish({ name: 'taken', version: '1', release: '1', requires: ['busybox'], pre, files });
  const { code, message } = await refusal(['taken']);
  expect(code).toBe('compose');
  expect(message).toMatch(/^A package could not be unpacked: .*taken.*\n.*\/usr\/share\/taken.*(directory|exists)/i);
});
