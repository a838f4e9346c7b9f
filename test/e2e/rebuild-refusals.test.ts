import { chmod, cp, lchown, mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { checkBuilder, rebuild } from '../../src/pipelines/rebuild.ts';
import { run } from '../../src/programs/exec.ts';
import { startMachine, type TestMachine } from '../support/machines.ts';
import { openTestBuilders } from '../support/rebuild-project.ts';
import { makeRebuildWorld, type RebuildWorld } from '../support/rebuild-world.ts';
import { sharedFolder, testTask } from '../support/tmp.ts';

const dir = sharedFolder();
const task = testTask(dir);
let world: RebuildWorld;
let source: string;
let count = 0;

beforeAll(async () => {
  world = await makeRebuildWorld(dir, { compiler: false });
  source = await world.source('hello', 'BuildArch: noarch\n%description\ntest\n%files');
});

/** Starts a machine that has passed its first check. */
async function accepted() {
  count += 1;
  const machine = await startMachine({ name: `m${count}`, operator: 'example.org', lower: world.lower, dir });
  onTestFinished(machine.stop);
  const open = await openTestBuilders(world, [machine]);
  expect((await checkBuilder(open, machine.name, task)).findings).toEqual([]);
  return { machine, open };
}

const at = ({ root }: TestMachine, path: string): string => join(root, path);

const TAMPERING: readonly (readonly [
  what: string,
  kind: string,
  message: string,
  tamper: (machine: TestMachine) => Promise<unknown>,
])[] = [
  [
    'a changed file',
    'changed-file',
    '/usr/bin/openssl is not what any known package has there',
    (machine) => writeFile(at(machine, 'usr/bin/openssl'), '#!/bin/sh\n'),
  ],
  [
    'a changed link',
    'changed-link',
    '/usr/lib/ssl/certs leads to /tmp',
    async (machine) => {
      await rm(at(machine, 'usr/lib/ssl/certs'));
      await symlink('/tmp', at(machine, 'usr/lib/ssl/certs'));
    },
  ],
  [
    'another mode',
    'mode',
    '/usr/bin/openssl has mode 4755',
    (machine) => chmod(at(machine, 'usr/bin/openssl'), 0o4755),
  ],
  [
    'another owner',
    'owner',
    '/usr/bin/openssl belongs to user 1000',
    (machine) => lchown(at(machine, 'usr/bin/openssl'), 1000, 0),
  ],
  [
    'a file of no package in a search path',
    'unowned',
    '/usr/local/bin/gcc is of no known package',
    (machine) => writeFile(at(machine, 'usr/local/bin/gcc'), '#!/bin/sh\n', { mode: 0o755 }),
  ],
  [
    'ld.so.preload',
    'preload',
    '/etc/ld.so.preload loads libraries into every program',
    (machine) => writeFile(at(machine, 'etc/ld.so.preload'), '/tmp/x.so\n'),
  ],
  [
    'a deleted program that runs',
    'deleted-code',
    'runs /run/gone/busybox (deleted)',
    async (machine) => {
      await mkdir(at(machine, 'run/gone'));
      await cp(at(machine, 'run/busybox'), at(machine, 'run/gone/busybox'));
      await machine.inside('/run/gone/busybox sleep 1000 > /dev/null 2>&1 < /dev/null & true');
      await machine.inside('until ls -l /proc/[0-9]*/exe 2> /dev/null | grep -q /run/gone; do sleep 0.1; done');
      await rm(at(machine, 'run/gone/busybox'));
    },
  ],
  [
    'a mount over /usr',
    'mount',
    'something is mounted at /usr/share',
    async (machine) => {
      await mkdir(at(machine, 'run/share'));
      await machine.inside('mount -o bind /run/share /usr/share');
    },
  ],
  [
    'another kernel command line',
    'kernel-command-line',
    'the kernel command line is "quiet init=/bin/sh"; it was',
    async (machine) => {
      await writeFile(at(machine, 'run/cmdline'), 'quiet init=/bin/sh\n');
      await machine.inside('mount -o bind /run/cmdline /proc/cmdline');
    },
  ],
];

describe('refused before any byte of a job', () => {
  it.each(TAMPERING)('%s', async (_, kind, message, tamper) => {
    const { machine, open } = await accepted();
    await tamper(machine);
    const { findings } = await checkBuilder(open, machine.name, task);
    expect(findings.filter((one) => one.kind === kind).map((one) => one.message)).toContainEqual(
      expect.stringContaining(message),
    );
    const repoFiles = open.builders.repositories;
    const [refused] = await rebuild(open, { sources: [source], repoFiles, scratch: false }, task);
    expect(refused).toMatchObject({ error: { code: 'gate-failed', message: expect.stringContaining(message) } });
    const there = await run('find', [
      at(machine, 'var/lib/atomic-nightly-builder'),
      '-mindepth',
      '1',
      '-printf',
      '%P\n',
    ]);
    expect(there.stdout.trim().split('\n').sort()).toEqual(['busybox', 'far.sh', 'probe.sh']);
  });
});
