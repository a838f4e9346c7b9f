import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const UNITS = new URL('../../systemd', import.meta.url).pathname;
const OTHERS = ['atomic-nightly-witness.service'];

/** What systemd can take away and a compose or a sandbox needs, with the first thing that fails. test/e2e/systemd.test.ts runs the units. */
const NEEDED: Readonly<Record<string, string>> = {
  ProtectHostname: 'bwrap sets a host name in a namespace of its own',
  RestrictNamespaces: 'bwrap makes namespaces',
  PrivateUsers: 'trees have files of all owners',
  NoNewPrivileges: 'packages have setuid programs that scriptlets run',
  PrivateDevices: 'trees have device nodes, smoke tests /dev/kvm',
  RestrictSUIDSGID: 'trees have setuid files',
  MemoryDenyWriteExecute: 'Node.js compiles to machine code',
  ProtectKernelModules: 'the lab takes its kernel from /usr/lib/modules',
  SystemCallFilter: 'mount and chroot are needed',
};

test('K21: no unit that composes forbids what the sandboxes of a compose need', () => {
  const units = readdirSync(UNITS).filter((name) => name.endsWith('.service') && !OTHERS.includes(name));
  expect(units).toEqual(['atomic-nightly.service', 'atomic-nightly@.service']);
  for (const unit of units) {
    const set = [...readFileSync(join(UNITS, unit), 'utf8').matchAll(/^(\w+)=/gm)].map(([, name = '']) => name);
    expect(set).toContain('ProtectSystem');
    expect(set.filter((name) => name in NEEDED).map((name) => `${unit}: ${name}: ${NEEDED[name]}`)).toEqual([]);
  }
});
