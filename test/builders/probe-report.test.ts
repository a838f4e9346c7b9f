import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { farScript } from '../../src/builders/far-machine.ts';
import { parseProbe } from '../../src/builders/probe-report.ts';
import { staticBusybox } from '../../src/builders/static-busybox.ts';
import { run } from '../../src/programs/exec.ts';
import { temporaryFolder } from '../support/tmp.ts';

it('a list of security modules that ends without a newline, as a kernel has it, is a line of its own', async () => {
  const dir = temporaryFolder();
  const [lsm, probe] = [join(dir, 'lsm'), join(dir, 'probe.sh')];
  writeFileSync(lsm, 'lockdown,capability,apparmor');
  // Of the files of this machine only that one.
  const script = readFileSync(farScript('probe.sh'), 'utf8')
    .replace('/sys/kernel/security/lsm', lsm)
    .replace(/^for d in .*; do$/m, `for d in ${dir}; do`);
  writeFileSync(probe, `set -euo pipefail\n${script}`);
  // Without the processes of others.
  const apart = ['--mount', '--pid', '--fork', '--mount-proc'];
  const { stdout } = await run('unshare', [...apart, await staticBusybox(), 'sh', probe]);
  const { texts, files } = parseProbe(stdout, 'alpha');
  expect(texts.get(lsm)).toEqual(['lockdown,capability,apparmor']);
  expect([...files.keys()].sort()).toEqual([lsm, probe]);
});
