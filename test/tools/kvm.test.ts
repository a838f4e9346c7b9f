import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { run } from '../../src/tools/exec.ts';
import { bootSector, probeKvm } from '../../src/tools/kvm.ts';
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

test('without a device KVM is not usable, and a probe ends in time whatever the device does', async () => {
  expect(await probeKvm({ device: '/nonexistent/kvm' })).toEqual({
    usable: false,
    reason: 'there is no /nonexistent/kvm: software emulation (TCG) will be used',
  });
  const begun = Date.now();
  const { usable, reason } = await probeKvm({ timeoutMs: 1000 });
  expect(Date.now() - begun).toBeLessThan(8000);
  expect(reason).toContain(usable ? 'in time' : 'TCG');
});
