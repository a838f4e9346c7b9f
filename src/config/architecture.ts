import { z } from 'zod';
import { NightlyError } from '../base/errors.ts';

/** Architectures by the names RPM and rpm-ostree (`$basearch`) use. */
export const architectureSchema = z.enum(['x86_64', 'aarch64', 'ppc64le', 's390x']);

export type Architecture = z.output<typeof architectureSchema>;

/** This machine's architecture by RPM's name. @throws NightlyError `unsupported` on one that has no Atomic host. */
export function hostArchitecture(): Architecture {
  const names: Readonly<Record<string, Architecture>> = {
    x64: 'x86_64',
    arm64: 'aarch64',
    ppc64: 'ppc64le',
    s390x: 's390x',
  };
  const name = names[process.arch];
  if (name === undefined) {
    throw new NightlyError('unsupported', `Nothing is composed for this machine's architecture (${process.arch}).`, {
      hint: 'Set "arch" in each stream to x86_64, aarch64, ppc64le or s390x.',
    });
  }
  return name;
}
