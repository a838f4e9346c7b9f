import { NightlyError } from '../base/errors.ts';

/** Returns the base architecture, in RPM's name, of the machine this runs on. @throws NightlyError `unsupported`. */
export function hostBasearch(arch: string = process.arch): string {
  const known: Readonly<Record<string, string>> = {
    x64: 'x86_64',
    arm64: 'aarch64',
    ppc64: 'ppc64le',
    s390x: 's390x',
    riscv64: 'riscv64',
    loong64: 'loongarch64',
    ia32: 'i386',
  };
  const found = Object.hasOwn(known, arch) ? known[arch] : undefined;
  if (found !== undefined) return found;
  throw new NightlyError('unsupported', `There is no RPM base architecture for this machine's ${arch}.`, {
    hint: 'Name one with --arch, for instance --arch x86_64.',
  });
}
