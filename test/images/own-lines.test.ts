import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type BootLoader, refuseVariables } from '../../src/images/disk/bootloader.ts';
import { addUser } from '../../src/images/image-accounts.ts';
import { makeBase } from '../../src/images/image-base.ts';
import { writeInstaller } from '../../src/images/iso/installer-files.ts';
import { imageTemplateSchema } from '../../src/images/template/template-schema.ts';
import { temporaryFolder, testTask } from '../support/tmp.ts';
import { imageRequest, syntheticCommit } from './synthetic-tree.ts';

const user = (more: object) => ({ description: 'x', format: 'x', 'file-name': 'x', users: [{ name: 'me', ...more }] });

test('I12 an account gets lines of its own in files whose last line lacks its end', async () => {
  const root = temporaryFolder();
  mkdirSync(join(root, 'etc'));
  for (const name of ['passwd', 'group', 'shadow', 'gshadow']) writeFileSync(join(root, 'etc', name), 'root:x:0');
  const [me] = imageTemplateSchema.parse(user({ gecos: "it's $& 50%" })).users;
  if (me) await addUser(me, (path) => join(root, path));
  expect(readFileSync(join(root, 'etc/passwd'), 'utf8')).toBe(
    "root:x:0\nme:x:1000:1000:it's $& 50%:/var/home/me:/bin/bash\n",
  );
  expect(readFileSync(join(root, 'etc/shadow'), 'utf8')).toBe('root:x:0\nme:*::0:99999:7:::\n');
});

test.each([
  ['shell', '/bin/sh:x'],
  ['shell', '/bin/sh\nroot2::0:0::/:/bin/sh'],
  ['password-hash', '*:1:2'],
  ['gecos', 'a\rb'],
])('I12 %s of an account cannot hold what ends a field: %j', (key, value) => {
  expect(imageTemplateSchema.safeParse(user({ [key]: value })).success).toBe(false);
});

test("I12 a /boot that the tree's own table has gives way to the image's", async () => {
  const folder = temporaryFolder();
  const own =
    '# /boot is below\nLABEL=boot\t/boot ext4 defaults 0 2\r\n/boot /srv none bind\nLABEL=\\040x /b ext4 ro 0 0';
  const { repo, commit } = await syntheticCommit(folder, { 'usr/etc/fstab': own });
  const task = testTask(folder);
  const base = await makeBase(await imageRequest(folder, { repo, commit }), task);
  expect(readFileSync(join(base.sysroot, base.deployment, 'etc/fstab'), 'utf8')).toBe(
    `${own.replace('LABEL=boot', '# LABEL=boot')}\nUUID=${base.bootUuid} /boot ext4 defaults,x-systemd.device-timeout=0 0 2\n`,
  );
  expect(task.lines.join('\n')).toContain('that line is switched off');
});

test('I12 an installer refuses kernel arguments that the GRUB of its hosts would change', async () => {
  const root = temporaryFolder();
  const loader: BootLoader = {
    name: 'grub-blscfg',
    configDir: 'grub2',
    template: 'grub/blscfg.cfg.hbs',
    ostreeBackend: 'none',
    deployEnv: {},
    extraModules: [],
    inTree: { 'i386-pc': false, 'x86_64-efi': false },
    vendorEfi: undefined,
  };
  const image = await imageRequest(root, { repo: root, commit: 'c' });
  const installer = { image, loader, title: 'T', bootUuid: 'B', smallestDiskBytes: 1 };
  await expect(writeInstaller(root, { ...installer, kernelArguments: ['quiet', 'cost=a$$b'] })).rejects.toThrow(
    'GRUB drops "$" from kernel arguments in boot loader entries: cost=a$$b',
  );
  expect(() => refuseVariables({ name: 'grub-menu' }, ['cost=a$$b'])).not.toThrow();
});
