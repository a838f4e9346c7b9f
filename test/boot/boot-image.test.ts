import { appendFile, chmod, readdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { chooseAccelerator } from '../../src/boot/accelerator.ts';
import { bootImage } from '../../src/boot/boot-image.ts';
import { makeSeed } from '../../src/boot/cloud-seed.ts';
import { smokeTest } from '../../src/boot/image-smoke-test.ts';
import { inGuest } from '../../src/boot/in-guest.ts';
import { runInstaller } from '../../src/boot/run-installer.ts';
import { bootFault, lastSerialLines, serialSize, withoutControl } from '../../src/boot/serial-log.ts';
import { run } from '../../src/programs/exec.ts';
import { temporaryFolder, testTask } from '../support/tmp.ts';

/** Puts a shell script named qemu-system-x86_64 first on PATH; it finds its serial log in `$serial`. */
async function standInQemu(folder: string, body: string): Promise<void> {
  const program = join(folder, 'qemu-system-x86_64');
  const script = `#!/bin/bash
printf '%s\\n' "$@" > ${folder}/argv
for word in "$@"; do case $word in file:*) serial=\${word#file:};; esac; done
${body}
`;
  await writeFile(program, script);
  await chmod(program, 0o755);
  const path = process.env['PATH'] ?? '';
  process.env['PATH'] = `${folder}:${path}`;
  onTestFinished(() => {
    process.env['PATH'] = path;
  });
}

async function emptyImage(folder: string): Promise<string> {
  const image = join(folder, 'image.qcow2');
  await run('qemu-img', ['create', '-q', '-f', 'qcow2', image, '10M']);
  return image;
}

const leftovers = async () => (await readdir(tmpdir())).filter((name) => name.startsWith('atomic-nightly-vm-'));

test('a machine that ends by itself is reported with its exit code and its last serial lines', async () => {
  const folder = temporaryFolder();
  // Machines of tests beside this one leave nothing either, but not at this moment.
  vi.stubEnv('TMPDIR', folder);
  onTestFinished(() => void vi.unstubAllEnvs());
  await standInQemu(folder, 'printf "GRUB loading.\\r\\n\\033[0;1mKernel panic\\033[0m\\r\\n" > "$serial"; exit 3');
  const before = await leftovers();
  const serialLog = join(folder, 'serial.log');
  const image = await emptyImage(folder);
  const request = { image, timeoutSeconds: 30, serialLog, firmware: 'bios', accelerator: 'tcg' } as const;
  await expect(bootImage(request, testTask(folder))).rejects.toMatchObject({
    code: 'gate-failed',
    message: expect.stringMatching(/exit code 3[\s\S]*GRUB loading\.\n {2}Kernel panic/),
    log: serialLog,
  });
  expect(await leftovers()).toEqual(before);
});

test('a machine that never lets us in is stopped when the time is over', async () => {
  const folder = temporaryFolder();
  await standInQemu(folder, `echo $$ > ${folder}/pid; echo "login:" > "$serial"; exec sleep 60`);
  const serialLog = join(folder, 'serial.log');
  const image = await emptyImage(folder);
  const request = { image, timeoutSeconds: 2, serialLog, firmware: 'uefi', accelerator: 'tcg' } as const;
  await expect(bootImage(request, testTask(folder))).rejects.toMatchObject({
    code: 'gate-failed',
    message: expect.stringMatching(/within 2 s[\s\S]*login:/),
  });
  const pid = Number(await readFile(join(folder, 'pid'), 'utf8'));
  expect(() => process.kill(pid, 0)).toThrow('ESRCH');
  const argv = await readFile(join(folder, 'argv'), 'utf8');
  expect(argv).toMatch(/if=pflash,format=raw,unit=0,readonly=on,file=.*OVMF_CODE/);
  expect(argv).toContain('tcg,thread=multi');
});

test('the smoke test puts the serial log beside the step log and names it', async () => {
  const folder = temporaryFolder();
  await standInQemu(folder, 'echo oops > "$serial"; exit 1');
  const image = await emptyImage(folder);
  const about = { commit: 'c', version: 'v', timeoutSeconds: 20, allowDegraded: [], healthChecks: [] };
  const request = { image, ...about, cpus: 1, memoryMib: 512 };
  await expect(smokeTest(request, testTask(folder))).rejects.toMatchObject({
    code: 'gate-failed',
    log: join(folder, 'task.serial.log'),
  });
});

test('the seed is a volume cloud-init knows, with the key and the user', async () => {
  const folder = temporaryFolder();
  const task = testTask(folder);
  const about = { user: 'nightly', publicKey: 'ssh-ed25519 AAAA test', instanceId: 'i-1', hostName: 'host' };
  const iso = await makeSeed({ dir: folder, ...about }, task);
  const read = async (...args: string[]) => (await run('xorriso', ['-indev', iso, '-osirrox', 'on', ...args])).stdout;
  await read('-extract', '/user-data', join(folder, 'out'), '-extract', '/meta-data', join(folder, 'meta'));
  const userData = await readFile(join(folder, 'out'), 'utf8');
  expect(userData).toMatch(/^#cloud-config\n/);
  // Finding the primes of an RSA key took a seventh of a boot under software emulation.
  expect(userData).toContain('\nssh_genkeytypes: [ecdsa, ed25519]\n');
  expect(userData).toContain('      - "ssh-ed25519 AAAA test"\n');
  expect(await readFile(join(folder, 'meta'), 'utf8')).toBe('instance-id: "i-1"\nlocal-hostname: "host"\n');
  expect((await run('blkid', ['-o', 'value', '-s', 'LABEL', iso])).stdout.trim()).toBe('cidata');
});

test('KVM is taken when the probe says so; otherwise the reason is told', async () => {
  const task = testTask(temporaryFolder());
  expect(await chooseAccelerator(task, async () => ({ usable: true, reason: 'fine' }))).toBe('kvm');
  expect(task.lines).toEqual([]);
  expect(await chooseAccelerator(task, async () => ({ usable: false, reason: 'it hangs' }))).toBe('tcg');
  expect(task.lines).toEqual(['No KVM, so booting is slower: it hangs']);
});

test('serial output is told without colours and cursor moves; a missing log is empty', async () => {
  expect(withoutControl('\u001b[2J\u001b[01;01H[\u001b[0;32m  OK  \u001b[0m] Started.\r\r\nnext\u0007')).toBe(
    '[  OK  ] Started.\nnext',
  );
  expect(await lastSerialLines(join(temporaryFolder(), 'none'), 5)).toEqual([]);
});

test('a machine that goes on is waited for beyond the time, by what it writes', async () => {
  const folder = temporaryFolder();
  await standInQemu(folder, 'for i in 1 2 3 4 5 6 7 8; do echo "step $i" >> "$serial"; sleep 0.5; done; exit 3');
  const request = {
    timeoutSeconds: 2,
    serialLog: join(folder, 'serial.log'),
    firmware: 'bios',
    accelerator: 'tcg',
  } as const;
  await expect(bootImage({ ...request, image: await emptyImage(folder) }, testTask(folder))).rejects.toMatchObject({
    message: expect.stringMatching(/^The machine ended by itself \(exit code 3\)[\s\S]*step 8$/),
  });
});

// What systemd 252, dracut 059 and Linux 6.1 print.
const FAILED_BOOTS = [
  [
    'emergency mode',
    [
      '[\u001b[0;1;31m TIME \u001b[0m] Timed out waiting for device \u001b[0;1;39mdev-disk-by\\x2duuid-1.device\u001b[0m.',
      '[\u001b[0;1;38;5;185mDEPEND\u001b[0m] Dependency failed for \u001b[0;1;39mboot.mount\u001b[0m - /boot.',
      'You are in emergency mode. After logging in, type "journalctl -xb" to view',
    ],
    'it came up in emergency mode: Timed out waiting for device dev-disk-by\\x2duuid-1.device.',
  ],
  [
    'a mount that failed',
    ['[FAILED] Failed to mount boot.mount - /boot.', 'Cannot open access to console, the root account is locked.'],
    'it came up in emergency mode: Failed to mount boot.mount - /boot.',
  ],
  [
    'no root file system',
    [
      'dracut-initqueue[321]: Warning: /dev/disk/by-uuid/2 does not exist',
      'Generating "/run/initramfs/rdsosreport.txt"',
      'Entering emergency mode. Exit the shell to continue.',
    ],
    'its initramfs found no root file system: Warning: /dev/disk/by-uuid/2 does not exist.',
  ],
  [
    'a kernel that stops',
    ['[    1.9] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)'],
    'its kernel panicked: Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0).',
  ],
] as const;

test.each(FAILED_BOOTS)('a machine that says that its boot failed is not waited for: %s', async (_, lines, reason) => {
  const folder = temporaryFolder();
  // Line by line, so that an end is found in whatever part of the log is new.
  const says = lines.map((line) => `printf '%s\\r\\n' '${line}' >> "$serial"; sleep 0.3`).join('\n');
  await standInQemu(folder, `${says}\nexec sleep 60`);
  const serialLog = join(folder, 'serial.log');
  const request = { timeoutSeconds: 50, serialLog, firmware: 'bios', accelerator: 'tcg' } as const;
  await expect(bootImage({ ...request, image: await emptyImage(folder) }, testTask(folder))).rejects.toMatchObject({
    message: expect.stringContaining(`The machine accepted no login over ssh: ${reason}\nLast on its serial line:`),
    log: serialLog,
  });
});

test('how an earlier boot failed is nothing to the next', async () => {
  const serialLog = join(temporaryFolder(), 'serial.log');
  await writeFile(serialLog, 'You are in emergency mode. After logging in\n');
  const from = await serialSize(serialLog);
  await appendFile(serialLog, '[FAILED] Failed to start something that nobody needs.\nlogin:');
  expect(await bootFault(serialLog, from, 0)).toBeUndefined();
  expect(await bootFault(serialLog, 0, 0)).toMatch(/^it came up in emergency mode/);
});

test('a machine that writes for ever is not waited for without an end', async () => {
  const folder = temporaryFolder();
  await standInQemu(folder, 'while echo again >> "$serial"; do sleep 0.2; done');
  const request = {
    timeoutSeconds: 1,
    serialLog: join(folder, 'serial.log'),
    firmware: 'bios',
    accelerator: 'tcg',
  } as const;
  await expect(bootImage({ ...request, image: await emptyImage(folder) }, testTask(folder))).rejects.toMatchObject({
    code: 'gate-failed',
    message: expect.stringMatching(/^The machine accepted no login over ssh: it still writes to its serial line/),
  });
});

test('an installer that does not end leaves its serial log, and the cause comes first', async () => {
  const folder = temporaryFolder();
  await standInQemu(folder, 'echo "Partitioning" > "$serial"; exec sleep 60');
  const serialLog = join(folder, 'kept.serial.log');
  const machine = { as: 'disc', firmware: 'bios', accelerator: 'tcg', timeoutSeconds: 2, serialLog } as const;
  const files = { iso: join(folder, 'x.iso'), disk: join(folder, 'x.raw'), answers: ['disk vda'] };
  await expect(runInstaller({ ...machine, ...files }, folder, testTask(folder))).rejects.toMatchObject({
    code: 'gate-failed',
    message:
      'The installer did not power the machine off: nothing came from it within 2 s.\nLast on its serial line:\n  Partitioning',
    log: serialLog,
  });
  expect(await readFile(serialLog, 'utf8')).toBe('Partitioning\n');
});

test.each([
  [
    'does not answer',
    'exec sleep 60',
    /^The machine did not answer: nothing came from it within 2 s\. It was asked to run: uptime\n/,
  ],
  [
    'goes away',
    'echo "Connection reset by peer" >&2; exit 255',
    /^The machine cannot be reached over ssh any more\. .*: uptime\nConnection reset/,
  ],
  [
    'has a command fail',
    'echo "no such thing" >&2; exit 1',
    /^A command failed in the machine: uptime\nno such thing\n/,
  ],
])(
  'a machine that %s is told in words, without the arguments of ssh, with its serial log',
  async (_, body, message) => {
    const folder = temporaryFolder();
    await writeFile(join(folder, 'ssh'), `#!/bin/bash\n${body}\n`, { mode: 0o755 });
    const path = process.env['PATH'] ?? '';
    process.env['PATH'] = `${folder}:${path}`;
    onTestFinished(() => {
      process.env['PATH'] = path;
    });
    const serialLog = join(folder, 'serial.log');
    await writeFile(serialLog, 'login:\n');
    const vm = {
      host: { address: '127.0.0.1', port: 1, user: 'x', keyFile: '/x' },
      accelerator: 'tcg',
      serialLog,
      reversePorts: [],
      bootSeconds: 0,
      ended: () => undefined,
      exited: Promise.resolve(),
      stop: () => Promise.resolve(),
    } as const;
    await expect(inGuest(vm, 'uptime', testTask(folder), { timeoutSeconds: 2 })).rejects.toMatchObject({
      code: 'gate-failed',
      message: expect.stringMatching(message),
      log: serialLog,
    });
  },
);
