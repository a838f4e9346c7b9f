import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { arrangeKernel, arrangeTree } from '../../src/lab/deb-tree.ts';
import { latestTime, packagedFiles } from '../../src/lab/packaged-files.ts';
import { touchContent } from '../../src/lab/touch.ts';
import {
  makeGuard,
  makeTree,
  picture,
  placesOf,
  plant,
  someOfEach,
  type TreeContent,
  tryAll,
} from '../support/hostile-tree.ts';
import { temporaryFolder } from '../support/tmp.ts';

/** What of an unpacked .deb is moved, dropped and read. */
const CONTENT: TreeContent = {
  'bin/tool': '#!/bin/sh\n',
  'lib/tool/part': 'x\n',
  'usr/bin/other': '#!/bin/sh\n',
  'usr/lib/tool/own': 'x\n',
  'usr/share/ca-certificates/mozilla/a.crt': 'a\n',
  'etc/ssl/certs/ca-certificates.crt': 'old\n',
  'etc/init.d/tool': 'x\n',
  'var/lib/tool/data': 'x\n',
  'run/tool': 'x\n',
  'boot/vmlinuz-6.1': 'kernel\n',
  'boot/config-6.1': 'config\n',
  'usr/lib/modules/6.1/modules.order': '',
};

it("I13: a package of the lab is made of a .deb's tree without reaching the host or waiting, wherever its links lead", async () => {
  const dir = temporaryFolder();
  const guard = join(dir, 'guard');
  const before = makeGuard(guard, CONTENT);
  const all = [['', 'absolute'] as const, ...someOfEach(placesOf(CONTENT), 2)];
  const options = {
    conffiles: new Set<string>(),
    capabilities: new Map(),
    accounts: { users: new Map(), groups: new Map() },
  };
  for (const [index, [path, kind]] of all.entries()) {
    const root = join(dir, `root-${index}`);
    makeTree(root, CONTENT);
    if (path !== '') plant(root, path, kind, guard);
    const refusals = await tryAll([
      () => latestTime(root),
      () => arrangeTree(root, 'ca-certificates'),
      () => arrangeKernel(root),
      () => touchContent(root, 'x'),
      () => packagedFiles(root, options),
    ]);
    if (path === '') expect(refusals).toEqual([]);
    expect(picture(guard), `${path}: ${kind}`).toEqual(before);
    rmSync(root, { recursive: true });
  }
});
