import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { bootImage } from '../../src/boot/boot-image.ts';
import { checkSystem, type SystemExpectation } from '../../src/boot/check-system.ts';
import { upgradeAndRollback } from '../../src/boot/upgrade.ts';
import { exampleProject } from '../support/example-project.ts';
import { testTask } from '../support/tmp.ts';
import { runCli } from '../support/world.ts';

const BOOT_SECONDS = 800;

// No time limit of its own: everything that is waited for in here ends without progress.
test('a bootable tree by a command: its cloud image passes the smoke test, and a host of it upgrades and rolls back', {
  timeout: 0,
}, async () => {
  const { dir, project, server } = await exampleProject('bootable-debian');
  const config = join(project, 'atomic-nightly.yaml');
  const edit = async (change: (text: string) => string) => writeFile(config, change(await readFile(config, 'utf8')));
  await edit((text) => text.replace('timeout: 300', `timeout: ${BOOT_SECONDS}`));
  const nightly = async () => {
    const { stdout, stderr, code } = await runCli(project, ['nightly', '--json']);
    expect(stderr).not.toContain('✗');
    expect(code).toBe(0);
    const { build, commit } = JSON.parse(stdout);
    const folder = join(project, 'work/builds', build, 'x86_64');
    const expected: SystemExpectation = { version: build, commit, allowDegraded: [], timeoutSeconds: BOOT_SECONDS };
    return { folder, expected, meta: JSON.parse(await readFile(join(folder, 'meta.json'), 'utf8')) };
  };
  const first = await nightly();
  expect(first.meta['atomic-nightly.smoke-tests']['generic-cloud']).toMatchObject({ state: 'running' });
  expect((await runCli(project, ['nightly'])).code).toBe(10);

  await writeFile(join(project, 'root/etc/issue.d-second'), 'The second nightly build\n');
  // The host is what boots the second one.
  await edit((text) => text.replace(/^ +(images|smoke-test):.*\n/gm, ''));
  const second = await nightly();
  const diff = await runCli(project, ['diff', first.expected.version, second.expected.version]);
  // Everything else, the initramfs too, is the same bytes again.
  expect(diff.stdout).toMatch(/1 added, 0 removed, 0 changed/);

  const image = join(first.folder, first.meta.images['generic-cloud'].path);
  const task = testTask(dir);
  const vm = await bootImage(
    {
      image,
      timeoutSeconds: BOOT_SECONDS,
      serialLog: join(dir, 'serial.log'),
      firmware: 'bios',
      reversePorts: [Number(new URL(server.url).port)],
    },
    task,
  );
  onTestFinished(() => vm.stop());
  await checkSystem(vm, first.expected, task);
  const timings = await upgradeAndRollback(
    vm,
    { from: first.expected, to: second.expected, timeoutSeconds: BOOT_SECONDS },
    task,
  );
  expect(timings.map(({ stage }) => stage)).toContain('check the old version');
});
