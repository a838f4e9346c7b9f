import { existsSync, mkdirSync, readlinkSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import { settleOptUsrLocal } from '../../../../src/engines/dnf/tree/opt-usrlocal.ts';
import { temporaryFolder, testTask } from '../../../support/tmp.ts';

function treeWith(...files: readonly string[]): { root: string; task: ReturnType<typeof testTask> } {
  const dir = temporaryFolder();
  for (const path of files) {
    mkdirSync(dirname(join(dir, 'root', path)), { recursive: true });
    writeFileSync(join(dir, 'root', path), path);
  }
  return { root: join(dir, 'root'), task: testTask(dir) };
}

const OVERLAY = 'usr/lib/systemd/system/ostree-state-overlay@.service';

it('moves /opt below /usr, and has every host link to it', async () => {
  const { root, task } = treeWith('opt/a/bin/tool', 'opt/100% b/x', 'usr/local/bin/y');
  symlinkSync('../a/bin/tool', join(root, 'opt/100% b/inside'));
  symlinkSync('../../usr/bin/true', join(root, 'opt/100% b/outside'));
  const layout = await settleOptUsrLocal(root, 'var', task);
  expect(layout).toMatchObject({ optLink: 'var/opt', usrLocalLink: '../var/usrlocal' });
  expect(layout.lines).toEqual([
    'L "/opt/100%% b" - - - - ../../usr/lib/opt/100%% b',
    'L /opt/a - - - - ../../usr/lib/opt/a',
  ]);
  expect(existsSync(join(root, 'usr/lib/opt/a/bin/tool'))).toBe(true);
  expect(readlinkSync(join(root, 'usr/lib/opt/100% b/inside'))).toBe('../a/bin/tool');
  expect(readlinkSync(join(root, 'usr/lib/opt/100% b/outside'))).toBe('/usr/bin/true');
  expect(task.lines.join('\n')).toContain('/usr/local/bin/y');
});

it('keeps both with state-overlay, where ostree can lay a host’s own files over them', async () => {
  const { root, task } = treeWith('opt/a/x', 'usr/local/bin/y', OVERLAY);
  const layout = await settleOptUsrLocal(root, 'state-overlay', task);
  expect(layout).toMatchObject({ optLink: 'usr/lib/opt', lines: [] });
  expect(layout.usrLocalLink).toBeUndefined();
  expect(existsSync(join(root, 'usr/local/bin/y'))).toBe(true);
  const requires = join(root, 'usr/lib/systemd/system/local-fs.target.requires');
  for (const name of ['usr-lib-opt', 'usr-local']) {
    expect(readlinkSync(join(requires, `ostree-state-overlay@${name}.service`))).toBe(
      `../ostree-state-overlay@${name}.service`,
    );
  }
  const without = treeWith('opt/a/x');
  await expect(settleOptUsrLocal(without.root, 'state-overlay', without.task)).rejects.toMatchObject({
    code: 'compose',
  });
});

it('leaves both as they are with root', async () => {
  const { root, task } = treeWith('opt/a/x', 'usr/local/bin/y');
  expect(await settleOptUsrLocal(root, 'root', task)).toEqual({ lines: [], integration: [] });
  for (const path of ['opt/a/x', 'usr/local/bin/y']) expect(existsSync(join(root, path))).toBe(true);
});

it('refuses what would have to be in one place twice', async () => {
  const { root, task } = treeWith('opt/a/x', 'usr/lib/opt/a/y');
  await expect(settleOptUsrLocal(root, 'var', task)).rejects.toMatchObject({
    code: 'compose',
    message: expect.stringContaining('/usr/lib/opt/a'),
  });
});
