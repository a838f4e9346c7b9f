import { randomBytes } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import { printBar } from '../support/log-bench.ts';
import type { TestMachine } from '../support/machines.ts';
import type { RebuildBench } from '../support/rebuild-bench.ts';

/** Bytes of the file that a source package is made of, and of the one that its build root has anew. */
const [SOURCE_BYTES, ROOT_BYTES] = [8 * 1024 ** 2, 4 * 1024 ** 2];

const SPEC = `BuildArch: noarch
AutoReqProv: no
BuildRequires: changing
%description
benchmark
%install
install -D -m 644 %{SOURCE0} %{buildroot}/usr/share/sized/noise
%files
/usr/share/sized`;

/**
 * Counts what a machine that has an earlier build root and was checked before gets and gives: all bytes of its network interface,
 * those of TCP and ssh included, against source package, packages, and the objects of the root that are new, packed.
 */
export async function benchBytes({ world, machines, rebuild }: RebuildBench): Promise<void> {
  const [machine] = machines;
  if (machine === undefined) throw new Error('there is no machine');
  const noise = (bytes: number): string => randomBytes(bytes / 2).toString('hex');
  const publish = (version: string, text: string) =>
    world.distro.publish({
      ...{ name: 'changing', version, release: '1', arch: 'noarch' },
      files: [{ path: '/usr/share/changing', text }],
    });
  await publish('1', 'as it was');
  const source = await world.source('sized', SPEC, { noise: noise(SOURCE_BYTES) });
  await rebuild([source, '--on', machine.name]);
  const changed = noise(ROOT_BYTES);
  await publish('2', changed);
  const before = await interfaceBytes(machine);
  const { results } = await rebuild([source, '--on', machine.name]);
  const after = await interfaceBytes(machine);
  const [sent, given] = [after.received - before.received, after.sent - before.sent];
  const made = results.flatMap(({ packages }) => packages.map(({ size }) => size)).reduce((sum, one) => sum + one, 0);
  const needed = (await stat(source)).size + gzipSync(changed).length;
  console.log(
    `to a warm machine ${sent} bytes, from it ${given}; source package and new objects ${needed}, packages ${made}`,
  );
  printBar('both ways against source package, packages and new objects', (sent + given) / (needed + made), 1.1);
  console.log(`  to the machine alone, against source package and new objects: ${(sent / needed).toFixed(2)}`);
}

/** What the machine's interface counts, seen from the machine. */
async function interfaceBytes(machine: TestMachine): Promise<{ readonly received: number; readonly sent: number }> {
  const line = (await machine.inside('cat /proc/net/dev')).split('\n').find((one) => one.includes('eth0:')) ?? '';
  const fields = line
    .replace(/^.*eth0:/, '')
    .trim()
    .split(/\s+/)
    .map(Number);
  return { received: fields[0] ?? 0, sent: fields[8] ?? 0 };
}
