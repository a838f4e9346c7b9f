import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { bootSector, probeKvm } from '../../src/boot/kvm.ts';
import { run } from '../../src/programs/exec.ts';
import { temporaryFolder } from '../support/tmp.ts';

test('the boot sector reaches long mode and reports it, in software emulation', async () => {
  const sector = bootSector();
  expect(sector).toHaveLength(512);
  const file = join(temporaryFolder(), 'sector');
  writeFileSync(file, sector);
  const { exitCode } = await run(
    'qemu-system-x86_64',
    [
      ...['-accel', 'tcg', '-m', '256', '-nodefaults', '-no-user-config', '-display', 'none'],
      ...['-drive', `if=ide,format=raw,file=${file}`, '-device', 'isa-debug-exit,iobase=0x501,iosize=1'],
    ],
    { okExitCodes: [65], timeoutMs: 30_000 },
  );
  expect(exitCode).toBe(65);
});

test('without a device KVM is not usable', async () => {
  expect(await probeKvm({ device: '/nonexistent/kvm' })).toEqual({
    usable: false,
    reason: 'there is no /nonexistent/kvm: software emulation (TCG) will be used',
  });
});

test('a probe of this machine ends, whatever its /dev/kvm does', async () => {
  const { usable, reason } = await probeKvm({ timeoutMs: 1000 });
  expect(reason).toContain(usable ? 'in time' : 'TCG');
});

/** A QEMU that runs the boot sector without KVM, and with KVM does what the script says. */
async function probeWith(script: string) {
  const folder = temporaryFolder();
  const bin = join(folder, 'bin');
  mkdirSync(bin);
  const qemu = `#!/bin/sh\ncase "$*" in *"-accel tcg"*) exit 65 ;; esac\n${script}\n`;
  writeFileSync(join(bin, 'qemu-system-x86_64'), qemu, { mode: 0o755 });
  writeFileSync(join(folder, 'kvm'), '');
  vi.stubEnv('PATH', `${bin}:${process.env['PATH']}`);
  return probeKvm({ device: join(folder, 'kvm'), kernel: '/boot/vmlinuz-1', timeoutMs: 1000 });
}

afterEach(() => vi.unstubAllEnvs());

test('a hypervisor that makes QEMU abort is a KVM that is not usable, not an error', async () => {
  const said = 'kvm_buf_set_msrs: Assertion failed.';
  const { usable, reason } = await probeWith(`echo '${said}' >&2; kill -ABRT $$`);
  expect(usable).toBe(false);
  expect(reason).toContain(`could not run a boot sector with it (it was killed by SIGABRT, ${said})`);
});

test('a KVM that is slower than software emulation is not usable', async () => {
  const { usable, reason } = await probeWith('exec sleep 86400');
  expect(usable).toBe(false);
  expect(reason).toMatch(/could not run a boot sector with it \(it did not end within [\d.]+ s\)/);
});

test('a KVM that runs a boot sector but hangs in a kernel is not usable; one that runs both is', async () => {
  const hangs = await probeWith('case "$*" in *-kernel*) exec sleep 86400 ;; *) exit 65 ;; esac');
  expect(hangs).toMatchObject({ usable: false, reason: expect.stringContaining('could not start /boot/vmlinuz-1') });
  const runs = await probeWith('case "$*" in *-kernel*) exit 0 ;; *) exit 65 ;; esac');
  expect(runs).toEqual({ usable: true, reason: 'KVM started /boot/vmlinuz-1 in time' });
});
