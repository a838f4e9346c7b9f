import { access } from 'node:fs/promises';
import { NightlyError } from '../base/errors.ts';

/** Where distributions put UEFI firmware for QEMU: Debian, Fedora and CentOS. */
const PLACES = [
  { code: '/usr/share/OVMF/OVMF_CODE_4M.fd', variables: '/usr/share/OVMF/OVMF_VARS_4M.fd' },
  { code: '/usr/share/OVMF/OVMF_CODE.fd', variables: '/usr/share/OVMF/OVMF_VARS.fd' },
  { code: '/usr/share/edk2/ovmf/OVMF_CODE.fd', variables: '/usr/share/edk2/ovmf/OVMF_VARS.fd' },
] as const;

/** UEFI firmware on this machine, and the empty variable store that goes with it. @throws NightlyError `tool-missing`. */
export async function findOvmf(): Promise<{ readonly code: string; readonly variables: string }> {
  for (const place of PLACES) {
    const there = await Promise.all([place.code, place.variables].map((file) => exists(file)));
    if (there.every(Boolean)) return place;
  }
  throw new NightlyError('tool-missing', 'There is no UEFI firmware for QEMU on this machine.', {
    hint: 'Install it: apt-get install ovmf (Fedora: dnf install edk2-ovmf).',
  });
}

async function exists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  );
}
