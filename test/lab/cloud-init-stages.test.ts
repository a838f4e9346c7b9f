import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { run } from '../../src/programs/exec.ts';
import { temporaryFolder } from '../support/tmp.ts';

const SCRIPTS = resolve('lab-packages/cloud-init/root/usr/lib/cloud-init');

/** Stands in for cloud-init as a Python module: says in which process it was loaded, which stage it is asked for, and fails in `config`. */
const MODULE = `
import os
log = open(os.environ['LOG'], 'a', buffering=1)
log.write('loaded\\n')
def main(argv):
    log.write(' '.join(argv) + '\\n')
    return 3 if '--mode=config' in argv else 0
`;

describe('the stages of cloud-init in the lab', () => {
  it('load it once, run in their order, and each unit ends as its stage did', async () => {
    const dir = temporaryFolder();
    for (const folder of ['modules/cloudinit/cmd', 'bin']) mkdirSync(join(dir, folder), { recursive: true });
    for (const file of ['__init__.py', 'cmd/__init__.py']) writeFileSync(join(dir, 'modules/cloudinit', file), '');
    writeFileSync(join(dir, 'modules/cloudinit/cmd/main.py'), MODULE);
    // What is run once no stage is waited for any more.
    writeFileSync(join(dir, 'bin/cloud-init'), '#!/bin/sh\necho "by itself: $*" >>"$LOG"\n');
    chmodSync(join(dir, 'bin/cloud-init'), 0o755);
    const script = [
      `${SCRIPTS}/stages; echo "local $?" >>"$LOG"`,
      ...['init', 'config', 'final', 'init', 'config'].map(
        (name) => `${SCRIPTS}/stage ${name}; echo "${name} $?" >>"$LOG"`,
      ),
      'ls -A /run/cloud-init >>"$LOG"',
    ].join('\n');
    // The folder of the stages is below /run: each test has its own.
    const jail = ['--bind', '/', '/', '--dev', '/dev', '--proc', '/proc', '--tmpfs', '/run', '--unshare-pid'];
    await run('bwrap', [...jail, '--die-with-parent', 'sh', '-c', script], {
      env: {
        PYTHONPATH: join(dir, 'modules'),
        PATH: `${join(dir, 'bin')}:${process.env['PATH']}`,
        LOG: join(dir, 'log'),
        PYTHONDONTWRITEBYTECODE: '1',
      },
    });
    expect(readFileSync(join(dir, 'log'), 'utf8').split('\n')).toEqual([
      ...['loaded', 'cloud-init init --local', 'local 0'],
      ...['cloud-init init', 'init 0'],
      ...['cloud-init modules --mode=config', 'config 3'],
      ...['cloud-init modules --mode=final', 'final 0'],
      ...['by itself: init', 'init 0'],
      ...['by itself: modules --mode=config', 'config 0', ''],
    ]);
  });
});
