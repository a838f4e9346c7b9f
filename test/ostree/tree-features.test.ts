import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { treeFeatures } from '../../src/ostree/tree-features.ts';
import { run } from '../../src/programs/exec.ts';
import { makeRepo } from '../support/ostree-repo.ts';
import { temporaryFolder, testTask } from '../support/tmp.ts';

const LIB = 'usr/lib/systemd/system';
const ETC = 'usr/etc/systemd/system';

test('I13: units that a tree starts and users it knows; no link of it leads to this host', async () => {
  const dir = temporaryFolder();
  const tree = join(dir, 'tree');
  const put = async (path: string, content: { text: string } | { link: string }) => {
    await mkdir(dirname(join(tree, path)), { recursive: true });
    if ('text' in content) await writeFile(join(tree, path), content.text);
    else await symlink(content.link, join(tree, path));
  };
  await put(`${LIB}/a.service`, { text: '' });
  await put(`${LIB}/getty@.service`, { text: '' });
  await put(`${LIB}/masked.service`, { text: '' });
  await put(`${LIB}/sockets.target.wants/a.service`, { link: '../a.service' });
  await put(`${ETC}/masked.service`, { link: '/dev/null' });
  const wants = `${ETC}/multi-user.target.wants`;
  await put(`${wants}/masked.service`, { link: '/lib/systemd/system/masked.service' });
  await put(`${wants}/getty@tty1.service`, { link: '/lib/systemd/system/getty@.service' });
  await put(`${wants}/own.service`, { link: '/etc/systemd/system/own.service' });
  await put(`${ETC}/own.service`, { text: '' });
  await put(`${wants}/gone.service`, { link: '/usr/lib/systemd/system/gone.service' });
  await put(`${wants}/host.service`, { link: join(dir, 'host.service') });
  await put(`${wants}/circle.service`, { link: 'circle.service' });
  await put(`${ETC}/host.target.wants`, { link: dir });
  await writeFile(join(dir, 'host.service'), '');
  await put('usr/lib/passwd', { text: 'root:x:0:0::/root:/bin/sh\nnonsense\n' });
  await put('usr/etc/passwd', { link: '/etc/passwd' });
  await put('usr/lib/sysusers.d/a.conf', { text: 'u svc - "x"\ng only - -\n' });
  await put('usr/lib/sysusers.d/README', { text: 'u readme - -\n' });
  await put('usr/lib/sysusers.d/host.conf', { link: '/etc/passwd' });
  const repo = await makeRepo(dir);
  const { stdout } = await run('ostree', [`--repo=${repo}`, 'commit', '--orphan', `--tree=dir=${tree}`]);
  const found = await treeFeatures({ repo, checksum: stdout.trim() }, join(dir, 'copy'), testTask(dir));
  expect(found).toEqual({ units: ['a.service', 'getty@tty1.service', 'own.service'], users: ['root', 'svc'] });
});
