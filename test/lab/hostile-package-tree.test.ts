import { join } from 'node:path';
import { it } from 'vitest';
import { arrangeKernel, arrangeTree } from '../../src/lab/deb-tree.ts';
import { latestTime, packagedFiles } from '../../src/lab/packaged-files.ts';
import { touchContent } from '../../src/lab/touch.ts';
import { expectJailed, placesOf, someOfEach, type TreeContent, tryAll } from '../support/hostile-tree.ts';
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
  const options = {
    conffiles: new Set<string>(),
    capabilities: new Map(),
    accounts: { users: new Map(), groups: new Map() },
  };
  await expectJailed({ dir, content: CONTENT }, someOfEach(placesOf(CONTENT), 2), (folder, make) => {
    const root = join(folder, 'root');
    make(root);
    return tryAll([
      () => latestTime(root),
      () => arrangeTree(root, 'ca-certificates'),
      () => arrangeKernel(root),
      () => touchContent(root, 'x'),
      () => packagedFiles(root, options),
    ]);
  });
});
