import { chmod, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { templatePath } from '../../../src/images/template.ts';
import { run } from '../../../src/tools/exec.ts';
import { temporaryFolder } from '../../support/tmp.ts';

// The installer's shell functions, with stand-ins on PATH for the programs that look at disks.
const installer = templatePath('iso/installer');
const PARTS = ['output', 'answers', 'medium', 'disks', 'dialogue', 'partitions', 'deploy', 'accounts', 'ending'];

let dir: string;
beforeEach(async () => {
  dir = temporaryFolder();
  await mkdir(join(dir, 'bin'));
  await mkdir(join(dir, 'disks'));
  // lsblk's facts about a disk are lines "COLUMN value" in the file disks/NAME; without a disk, all are listed.
  await program(
    'lsblk',
    `shift_to() { columns=$1; disk=\${2:-}; }
     case $1 in -*o) shift_to "$2" "\${3:-}" ;; esac
     if [ -z "$disk" ]; then
       for file in ${dir}/disks/*; do echo "/dev/\${file##*/} $(sed -n 's/^TYPE,RO,SIZE //p' "$file")"; done; exit 0
     fi
     [ -e "${dir}/disks/\${disk#/dev/}" ] || exit 32
     sed -n "s/^$columns //p" "${dir}/disks/\${disk#/dev/}"`,
  );
  await program('wipefs', `for last; do :; done; sed -n 's/^holds //p' "${dir}/disks/\${last#/dev/}"`);
  await program('findmnt', 'echo /dev/sr0');
  // The first megabyte of a stand-in disk.
  await program(
    'head',
    `case $3 in /dev/*) sed -n 's/^raw //p' "${dir}/disks/\${3#/dev/}" ;; *) exec /usr/bin/head "$@" ;; esac`,
  );
});

async function program(name: string, body: string): Promise<void> {
  await writeFile(join(dir, 'bin', name), `#!/bin/sh\n${body}\n`);
  await chmod(join(dir, 'bin', name), 0o755);
}

interface FakeDisk {
  readonly type?: string;
  readonly readonly?: number;
  readonly bytes?: number;
  readonly sector?: number;
  readonly mounted?: string;
  readonly holds?: string;
  readonly raw?: string;
  readonly stack?: readonly string[];
}

async function disk(name: string, facts: FakeDisk): Promise<void> {
  const { type = 'disk', readonly: ro = 0, bytes = 8 * 1024 ** 3, sector = 512, mounted, holds, raw } = facts;
  const lines = [
    `TYPE,RO,SIZE,LOG-SEC ${type} ${ro} ${bytes} ${sector}`,
    `NAME,TYPE,RO,SIZE ${type} ${ro} ${bytes}`,
    `TYPE,RO,SIZE ${type} ${ro} ${bytes}`,
    `NAME /dev/${name}`,
    ...(facts.stack ?? [type]).map((entry) => `TYPE ${entry}`),
    ...(mounted === undefined ? [] : [`MOUNTPOINT ${mounted}`]),
    ...(holds === undefined ? [] : [`holds ${holds}`]),
    ...(raw === undefined ? [] : [`raw ${raw}`]),
  ];
  await writeFile(join(dir, 'disks', name), `${lines.join('\n')}\n`);
}

/** Runs shell code after sourcing the installer. @returns what it printed, and the reason when it failed. */
async function shell(
  code: string,
  input = '',
): Promise<{ readonly out: string; readonly failure: string | undefined }> {
  const sources = PARTS.map((part) => `. '${installer}/${part}.sh'`).join('\n');
  const settings = "title='Host 1'; smallest_disk_bytes=2147483648; consoles=/dev/null";
  const script = `set -eu; here='${installer}'; medium=/medium; work='${dir}'; ${settings}\n${sources}\n${code}\n`;
  const { stdout, exitCode } = await run('dash', ['-c', script], {
    input,
    okExitCodes: [0, 1],
    env: { PATH: `${join(dir, 'bin')}:${process.env['PATH'] ?? ''}` },
  });
  const failure = exitCode === 0 ? undefined : await readFile(join(dir, 'failure'), 'utf8');
  return { out: stdout, failure };
}

test('every script is clean for shellcheck', async () => {
  const scripts = [
    join(installer, 'atomic-install'),
    ...(await readdir(installer)).map((name) => join(installer, name)),
  ];
  const hooks = (await readdir(templatePath('iso/initramfs'))).map((name) => templatePath(`iso/initramfs/${name}`));
  // SC2154, SC2034: variables one part sets and another uses. SC2094: the name of a file, in a loop that reads it.
  await run('shellcheck', ['-x', '-P', installer, '-e', 'SC2154,SC2034,SC2094', ...scripts, ...hooks]);
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
    return shell(`read_answers "${dir}/answers" 3>/dev/null; read_kernel_arguments "${dir}/cmdline"\n${print}`);
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

describe('a disk', () => {
  const refusal = async (name: string, erase = 'no') =>
    (await shell(`answer_erase=${erase}; require_usable_disk /dev/${name}`)).failure;

  test('that is blank is taken', async () => {
    await disk('vda', {});
    expect(await refusal('vda')).toBeUndefined();
  });

  test.each<[string, FakeDisk, string]>([
    ['has a partition table', { holds: 'gpt' }, 'holds data (gpt)'],
    ['has bytes nobody knows', { raw: 'x' }, 'holds data (unknown data)'],
  ])('that %s is refused unless told to erase it', async (_, facts, reason) => {
    await disk('vda', facts);
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
    await disk('vda', facts);
    expect(await refusal('vda', 'yes')).toContain(`/dev/vda ${reason}`);
  });

  test('that is not there is refused, naming those that are', async () => {
    await disk('vdb', {});
    expect(await refusal('vda', 'yes')).toContain('is no disk of this machine; it has: /dev/vdb');
  });

  test('that is the medium is neither offered nor taken', async () => {
    await disk('sr0', {});
    await disk('vda', {});
    await disk('zram0', {});
    expect(await refusal('sr0', 'yes')).toContain('is the medium');
    expect((await shell('candidate_disks')).out).toBe('/dev/vda\n');
  });
});

describe('the dialogue', () => {
  test('asks again after a refusal and erases only when the name is typed twice', async () => {
    await disk('vda', { holds: 'ext4' });
    const typed = 'vdz\nvda\nno\nvda\nvda\n-host\nhost1\nme\nword\nword\n';
    const { out } = await shell(
      'ask_everything; echo "$answer_disk $answer_erase $answer_hostname $answer_user $answer_password"',
      typed,
    );
    expect(out).toContain('/dev/vdz is no disk of this machine');
    expect(out).toContain('"hostname -host" in your answer has not the form');
    expect(out.trimEnd().split('\n').at(-1)).toBe('/dev/vda yes host1 me word');
  });

  test('ends, changing nothing, when nobody is there', async () => {
    await disk('vda', {});
    expect((await shell('ask_everything', '')).failure).toContain('nobody to answer');
  });
});

describe('a failure', () => {
  // `finish` ends in a shell only where somebody was asked, or nobody said anything.
  const ending = async (code: string) => {
    await program('systemctl', 'echo "systemctl $*"');
    await program('sleep', '');
    await program('mountpoint', 'exit 1');
    await program('sh', 'echo a shell');
    return (await shell(`trap 'finish $?' EXIT\n${code}`)).out;
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
  expect((await shell('partition /dev/vda 3; partition /dev/nvme0n1 3')).out).toBe('/dev/vda3\n/dev/nvme0n1p3\n');
});
