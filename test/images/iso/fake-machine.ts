import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { templatePath } from '../../../src/images/template/render-template.ts';
import { run } from '../../../src/programs/exec.ts';

/** Folder of the installer's scripts. */
export const INSTALLER = templatePath('iso/installer');
const PARTS = ['output', 'answers', 'medium', 'disks', 'dialogue', 'partitions', 'deploy', 'accounts', 'ending'];

/** What a stand-in disk is like; by default blank, of 8 GiB. */
export interface FakeDisk {
  readonly type?: string;
  readonly readonly?: number;
  readonly bytes?: number;
  readonly sector?: number;
  readonly mounted?: string;
  /** A signature that wipefs knows. */
  readonly holds?: string;
  /** Other bytes in its first megabyte. */
  readonly raw?: string;
  /** Types of what lies on it, itself first. */
  readonly stack?: readonly string[];
}

/** A machine for the installer's functions: programs on PATH that look at disks are stand-ins. */
export interface FakeMachine {
  program(name: string, body: string): Promise<void>;
  disk(name: string, facts: FakeDisk): Promise<void>;
  /** Runs shell code after sourcing the installer. @returns what it printed, and the reason when it failed. */
  shell(code: string, input?: string): Promise<{ readonly out: string; readonly failure: string | undefined }>;
}

export async function fakeMachine(dir: string): Promise<FakeMachine> {
  const program = async (name: string, body: string): Promise<void> => {
    await writeFile(join(dir, 'bin', name), `#!/bin/sh\n${body}\n`);
    await chmod(join(dir, 'bin', name), 0o755);
  };
  await mkdir(join(dir, 'bin'));
  await mkdir(join(dir, 'disks'));
  // lsblk's facts about a disk are lines "COLUMNS value" in the file disks/NAME; without a disk, all are listed.
  await program(
    'lsblk',
    `columns=$2 disk=\${3:-}
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
  return {
    program,
    disk: (name, facts) => writeFile(join(dir, 'disks', name), diskFile(name, facts)),
    shell: (code, input = '') => shell(dir, code, input),
  };
}

function diskFile(name: string, facts: FakeDisk): string {
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
  return `${lines.join('\n')}\n`;
}

async function shell(
  dir: string,
  code: string,
  input: string,
): Promise<{ readonly out: string; readonly failure: string | undefined }> {
  const sources = PARTS.map((part) => `. '${INSTALLER}/${part}.sh'`).join('\n');
  const settings = "title='Host 1'; smallest_disk_bytes=2147483648; boot_loader=grub-menu; consoles=/dev/null";
  const script = `set -eu; here='${INSTALLER}'; medium=/medium; work='${dir}'; ${settings}\n${sources}\n${code}\n`;
  const { stdout, exitCode } = await run('dash', ['-c', script], {
    input,
    okExitCodes: [0, 1],
    env: { PATH: `${join(dir, 'bin')}:${process.env['PATH'] ?? ''}` },
  });
  const failure = exitCode === 0 ? undefined : await readFile(join(dir, 'failure'), 'utf8');
  return { out: stdout, failure };
}
