import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestMachine } from './machines.ts';

/**
 * What root of a machine can do unseen: the files that the check and the build read are good ones, and the script that starts the build is
 * another as soon as it is there. Machines that lie alike agree with each other. @returns what ends it
 */
export function lie({ root }: TestMachine): () => void {
  const script = join(root, 'var/lib/atomic-nightly-builder/far.sh');
  const timer = setInterval(() => {
    const text = existsSync(script) ? readFileSync(script, 'utf8') : '';
    if (!text.includes('_buildhost reproducible')) return;
    writeFileSync(`${script}.new`, text.replace('_buildhost reproducible', '_buildhost tampered'));
    renameSync(`${script}.new`, script);
  }, 20);
  return () => clearInterval(timer);
}

/** Options of `disputes resolve` by which a builder is named as the one that cheated. */
export const tamperedBy = (builder: string): string[] => [
  ...['--by', 'Jane Doe', '--verdict', 'tampered'],
  ...['--builder', builder, '--note', 'its build host is another'],
];
