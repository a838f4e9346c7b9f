import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { templatePath } from '../../../src/images/template/render-template.ts';
import { run } from '../../../src/programs/exec.ts';
import { temporaryFolder } from '../../support/tmp.ts';
import { type FakeDisk, type FakeMachine, fakeMachine, INSTALLER } from './fake-machine.ts';

// The installer's shell functions, with stand-ins on PATH for the programs that look at disks.
let dir: string;
let machine: FakeMachine;
beforeEach(async () => {
  dir = temporaryFolder();
  machine = await fakeMachine(dir);
});

test('every script is clean for shellcheck', async () => {
  const scripts = [
    join(INSTALLER, 'atomic-install'),
    ...(await readdir(INSTALLER)).map((name) => join(INSTALLER, name)),
  ];
  const hooks = (await readdir(templatePath('iso/initramfs'))).map((name) => templatePath(`iso/initramfs/${name}`));
  // SC2154, SC2034: variables one part sets and another uses. SC2094: the name of a file, in a loop that reads it.
  await run('shellcheck', ['-x', '-P', INSTALLER, '-e', 'SC2154,SC2034,SC2094', ...scripts, ...hooks]);
});

describe('answers', () => {
  async function answers(
    text: string,
    more = '',
  ): Promise<{ readonly out: string; readonly failure: string | undefined }> {
    await writeFile(join(dir, 'answers'), text);
    await writeFile(join(dir, 'cmdline'), `quiet ${more} root=x\n`);
    const show = ['disk', 'erase', 'hostname', 'user', 'ssh_keys', 'timezone', 'kernel_arguments', 'check', 'then'];
    const print = show.map((name) => `echo "${name}=$answer_${name}"`).join('\n');
    return machine.shell(`read_answers "${dir}/answers" 3>/dev/null; read_kernel_arguments "${dir}/cmdline"\n${print}`);
  }

  test('are read from a file, with comments, and a name for a disk', async () => {
    const { out } = await answers(
      '# mine\r\n\ndisk vda\r\nuser me\nssh-key ssh-ed25519 AAAA me@here\nssh-key ssh-rsa BBBB\nthen reboot',
    );
    expect(out).toContain('disk=/dev/vda\n');
    expect(out).toContain('ssh_keys=ssh-ed25519 AAAA me@here\nssh-rsa BBBB\n');
    expect(out).toContain('erase=no\n');
    expect(out).toContain('then=reboot\n');
  });

  test('from the kernel command line win, and may hold blanks in quotes', async () => {
    const { out } = await answers(
      'disk vda\nhostname file',
      'atomic.install.disk=/dev/disk/by-id/x atomic.install.erase=yes "atomic.install.ssh-key=ssh-ed25519 AAAA"',
    );
    expect(out).toContain('disk=/dev/disk/by-id/x\nerase=yes\nhostname=file\n');
    expect(out).toContain('ssh_keys=ssh-ed25519 AAAA\n');
  });

  test('from the kernel command line are words as the kernel tells them apart, whatever stands beside them', async () => {
    const { out } = await answers(
      'disk vda',
      String.raw`it's=a\b atomic.install.kernel-arguments="quiet dyndbg=x\y" atomic.install.timezone="Europe/Prague"`,
    );
    expect(out).toContain(`kernel_arguments= ${String.raw`quiet dyndbg=x\y`}\n`);
    expect(out).toContain('timezone=Europe/Prague\n');
  });

  test.each([
    ['erase maybe', '"erase maybe"'],
    ['hostname -x', '"hostname -x"'],
    ['user root;reboot', '"user root;reboot"'],
    ['then explode', '"then explode"'],
    ['disc /dev/vda', 'There is no answer "disc"'],
  ])('that mean nothing are refused: %s', async (line, message) => {
    expect((await answers(line)).failure).toContain(message);
  });

  test('a password hash of the wrong form is not shown', async () => {
    const { failure } = await answers('password-hash secret');
    expect(failure).toContain('password-hash');
    expect(failure).not.toContain('secret');
  });
});

describe('kernel arguments of the installed system', () => {
  const deployed = async (loader: string, medium: string, answered: string) => {
    await machine.program('ostree', `printf '%s\\n' "$@"`);
    const { out } = await machine.shell(
      `quietly() { "$@"; }; boot_loader=${loader}; kernel_arguments='${medium}'; answer_kernel_arguments='${answered}'
       target=/t; os_name=o; remote=r; ref=x; root_uuid=u; ostree_backend=; deploy_tree`,
    );
    return out.split('\n').flatMap((line) => (line.startsWith('--karg-append=') ? [line.slice(14)] : []));
  };
  const given = [
    String.raw`quiet slub_debug=FZP,zs_handle;FZPU  a\b`,
    'dyndbg="file ec.c +p; x" kmalloc-* c|d',
  ] as const;

  test('are words as the kernel tells them apart', async () => {
    expect(await deployed('grub-menu', ...given)).toEqual([
      ...['root=UUID=u', 'rw', 'quiet', 'slub_debug=FZP,zs_handle;FZPU', String.raw`a\b`],
      ...['dyndbg="file ec.c +p; x"', 'kmalloc-*', 'c|d'],
    ]);
  });

  test('are quoted where GRUB makes a script of the boot loader entries', async () => {
    const words = await deployed('grub-blscfg', ...given);
    expect(words).toEqual([
      ...['root=UUID=u', 'rw', 'quiet', '"slub_debug=FZP,zs_handle;FZPU"', String.raw`"a\\b"`],
      ...['dyndbg="file ec.c +p; x"', 'kmalloc-*', '"c|d"'],
    ]);
    await writeFile(join(dir, 'grub.cfg'), `linux /k ${words.join(' ')}\n`);
    await run('grub-script-check', [join(dir, 'grub.cfg')]);
    const { stdout } = await run('sh', ['-c', `set -f; printf '%s\\n' ${words.join(' ')}`]);
    expect(stdout.split('\n')).toContain(String.raw`a\b`);
  });

  test('that such a GRUB would change are refused', async () => {
    const { failure } = await machine.shell("boot_loader=grub-blscfg; set_answer kernel-arguments 'cost=$x' answers");
    expect(failure).toContain('GRUB drops "$"');
  });

  // ostree takes one for a fault of its own with the next upgrade (ostree-kernel-args.c, split_kernel_args).
  test('with a quote that does not end are refused', async () => {
    const { failure } = await machine.shell(`set_answer kernel-arguments 'a="b c="d e"' answers`);
    expect(failure).toContain('has a double quote without its end');
  });
});

test.each([
  ['no table', undefined, ''],
  ['a last line without its end', 'tmp /tmp tmpfs', 'tmp /tmp tmpfs\n'],
  [
    'a /boot of its own',
    '# /boot x\nLABEL=b\t/boot ext4 defaults 0 2\r\n/boot /x none bind',
    '# /boot x\n# LABEL=b\t/boot ext4 defaults 0 2\r\n/boot /x none bind\n',
  ],
])('/boot is added to the table of a system that has %s', async (_, before, after) => {
  const table = join(dir, 'fstab');
  if (before !== undefined) await writeFile(table, before);
  await machine.shell(`boot_uuid=B; mount_boot '${table}'`);
  expect(await readFile(table, 'utf8')).toBe(`${after}UUID=B /boot ext4 defaults,x-systemd.device-timeout=0 0 2\n`);
});

describe('a disk', () => {
  const refusal = async (name: string, erase = 'no') =>
    (await machine.shell(`answer_erase=${erase}; require_usable_disk /dev/${name}`)).failure;

  test('that is blank is taken', async () => {
    await machine.disk('vda', {});
    expect(await refusal('vda')).toBeUndefined();
  });

  test.each<[string, FakeDisk, string]>([
    ['has a partition table', { holds: 'gpt' }, 'holds data (gpt)'],
    ['has bytes nobody knows', { raw: 'x' }, 'holds data (unknown data)'],
  ])('that %s is refused unless told to erase it', async (_, facts, reason) => {
    await machine.disk('vda', facts);
    expect(await refusal('vda')).toContain(`/dev/vda ${reason}. Nothing was changed.`);
    expect(await refusal('vda', 'yes')).toBeUndefined();
  });

  test.each<[string, FakeDisk, string]>([
    ['is mounted', { mounted: '/data' }, 'is in use: /data'],
    ['is a partition', { type: 'part' }, 'is a part; a whole disk is needed'],
    ['is too small', { bytes: 1024 ** 3 }, 'is too small: 1024 MiB, and 2048 MiB are needed'],
    ['has large sectors', { sector: 4096 }, 'has sectors of 4096 bytes'],
    ['cannot be written', { readonly: 1 }, 'cannot be written to'],
    ['carries an active volume', { stack: ['disk', 'part', 'lvm'] }, 'is in use by a lvm device'],
  ])('that %s is refused whatever the answers say', async (_, facts, reason) => {
    await machine.disk('vda', facts);
    expect(await refusal('vda', 'yes')).toContain(`/dev/vda ${reason}`);
  });

  test('that is not there is refused, naming those that are', async () => {
    await machine.disk('vdb', {});
    expect(await refusal('vda', 'yes')).toContain('is no disk of this machine; it has: /dev/vdb');
  });

  test('that is the medium is neither offered nor taken', async () => {
    await machine.disk('sr0', {});
    await machine.disk('vda', {});
    await machine.disk('zram0', {});
    expect(await refusal('sr0', 'yes')).toContain('is the medium');
    expect((await machine.shell('candidate_disks')).out).toBe('/dev/vda\n');
  });
});

describe('the dialogue', () => {
  test('asks again after a refusal and erases only when the name is typed twice', async () => {
    await machine.disk('vda', { holds: 'ext4' });
    const typed = 'vdz\nvda\nno\nvda\nvda\n-host\nhost1\nme\nword\nword\n';
    const { out } = await machine.shell(
      'ask_everything; echo "$answer_disk $answer_erase $answer_hostname $answer_user $answer_password"',
      typed,
    );
    expect(out).toContain('/dev/vdz is no disk of this machine');
    expect(out).toContain('"hostname -host" in your answer has not the form');
    expect(out.trimEnd().split('\n').at(-1)).toBe('/dev/vda yes host1 me word');
  });

  test('ends, changing nothing, when nobody is there', async () => {
    await machine.disk('vda', {});
    expect((await machine.shell('ask_everything', '')).failure).toContain('nobody to answer');
  });
});

describe('a failure', () => {
  // `finish` ends in a shell only where somebody was asked, or nobody said anything.
  const ending = async (code: string) => {
    await machine.program('systemctl', 'echo "systemctl $*"');
    await machine.program('sleep', '');
    await machine.program('mountpoint', 'exit 1');
    await machine.program('sh', 'echo a shell');
    return (await machine.shell(`trap 'finish $?' EXIT\n${code}`)).out;
  };

  test('with an answer file that makes no sense powers off, with a line to look for', async () => {
    await writeFile(join(dir, 'bad'), 'disc vda\n');
    const out = await ending(`read_answers '${dir}/bad'`);
    expect(out).toContain('ATOMIC-INSTALL-FAILED: There is no answer "disc"');
    expect(out).toContain('systemctl --no-block poweroff');
    expect(out).not.toContain('a shell');
  });

  test('in a dialogue leads to a shell', async () => {
    expect(await ending('attended=yes; fail Because')).toContain('ATOMIC-INSTALL-FAILED: Because\n');
    expect(await ending('attended=yes; answer_disk=/dev/vda; false')).toContain('a shell');
  });
});

test('partitions of disks whose names end in a digit have a p', async () => {
  expect((await machine.shell('partition /dev/vda 3; partition /dev/nvme0n1 3')).out).toBe(
    '/dev/vda3\n/dev/nvme0n1p3\n',
  );
});
