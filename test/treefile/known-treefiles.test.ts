import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readTreefile } from '../../src/treefile/read.ts';
import { treefileJson } from '../../src/treefile/treefile-json.ts';
import { read } from './files.ts';

/** The shape of a host treefile of the CentOS 7 years: JSON with tabs, remarks as keys, old names, files beside it. */
const HOST_7 = `{
    "comment": "Example host",

    "osname": "example-host",
    "ref": "example-host/7/x86_64/standard",

    "repos": ["base", "updates",
\t      "extras"],

    "selinux": true,
    "install-langs-comment": "kept in step with post.sh",
    "install-langs": [
\t"de_DE",
\t"en_US"
    ],
    "documentation": false,
    "initramfs-args": ["--no-hostonly", "--add", "iscsi"],
    "mutate-os-release": "7",
    "postprocess-script": "post.sh",
    "etc-group-members": ["wheel", "docker"],
    "ignore-removed-users": ["root"],
    "ignore-removed-groups": ["root"],
    "check-passwd": { "type": "file", "filename": "passwd" },
    "check-groups": { "type": "file", "filename": "group" },
    "packages": ["kernel", "systemd",
\t\t "rpm-ostree"],
    "remove-from-packages": [["yum", "/usr/bin/.*"],
\t\t\t     ["kernel", "/lib/modules/.*/drivers/gpu"]],
    "units": ["docker.service"],
    "default_target": "multi-user.target"
}
`;

test('a host of the CentOS 7 years and its continuous variant', async () => {
  const treefile = await read({
    'continuous.json': {
      include: 'host.json',
      ref: 'example-host/7/x86_64/devel/continuous',
      automatic_version_prefix: '7.2018',
      repos: ['continuous'],
      packages: ['devel-release'],
    },
    'host.json': HOST_7,
    'post.sh': '#!/bin/bash\n',
    passwd: 'root:x:0:0::/root:/bin/bash\n',
    group: 'root:x:0:\n',
    'base.repo': '[base]\n',
  });
  expect(treefile.values).toMatchObject({
    ref: 'example-host/7/x86_64/devel/continuous',
    repos: ['base', 'updates', 'extras', 'continuous'],
    'automatic-version-prefix': '7.2018',
    'default-target': 'multi-user.target',
    packages: ['devel-release', 'kernel', 'rpm-ostree', 'systemd'],
  });
  expect(treefile.repoFiles.map((path) => path.split('/').at(-1))).toEqual(['base.repo']);
  expect(JSON.stringify(treefileJson(treefile))).not.toContain(treefile.path.slice(0, -'/continuous.json'.length));
  expect(treefileJson(treefile)).toMatchObject({
    basearch: 'x86_64',
    'postprocess-script': 'post.sh',
    'check-passwd': { type: 'file', filename: 'passwd' },
  });
});

/** The shape of a CoreOS manifest: nested includes in a folder, layers, lockfile repos, conditions on the stream. */
const COREOS = {
  'manifest.yaml': `
variables:
  stream: testing
  prod: false
releasever: 40
repos:
  # A remark.
  - fedora
include: manifests/os.yaml
`,
  'manifests/os.yaml': `
ref: fedora/\${basearch}/coreos/\${stream}
rojig: {license: MIT, name: fedora-coreos, summary: "Fedora CoreOS \${stream}"}
include: base.yaml
conditional-include:
  - if: prod == false
    include: devel.yaml
  - if: [basearch == "x86_64", releasever >= 40]
    include: x86.yaml
add-commit-metadata:
  fedora-coreos.stream: \${stream}
automatic-version-prefix: "\${releasever}.<date:%Y%m%d>.dev"
mutate-os-release: "\${releasever}"
lockfile-repos: [pool]
exclude-packages:
  - python
`,
  'manifests/base.yaml': `
include: [boot.yaml, empty.yaml]
ostree-layers:
  - overlay/05core
recommends: false
check-passwd:
  type: "file"
  filename: "passwd"
rpmdb: sqlite
postprocess:
  - |
    #!/usr/bin/env bash
    set -xeuo pipefail
    echo base
packages:
  - fuse-overlayfs slirp4netns
remove-from-packages:
  - [cracklib-dicts, .*]
  - [systemd, /usr/bin/systemd-firstboot,
              /usr/lib/systemd/system/systemd-firstboot.service]
packages-s390x:
  - s390utils-core
packages-x86_64:
  - irqbalance
`,
  'manifests/boot.yaml':
    'packages: [kernel, rpm-ostree]\nboot-location: modules\nmachineid-compat: false\ntmp-is-dir: true\n',
  'manifests/devel.yaml': 'ostree-layers:\n  - overlay/16devel\n',
  'manifests/x86.yaml': 'packages: [microcode_ctl]\ncontainer-cmd: [/usr/bin/bash]\n',
  'manifests/empty.yaml': '# Nothing but remarks is left here.\n',
  'manifests/passwd': 'root:x:0:0::/root:/bin/bash\n',
};

test('a CoreOS manifest with all it includes', async () => {
  const { values, origins } = await read(COREOS);
  expect(values).toMatchObject({
    ref: 'fedora/x86_64/coreos/testing',
    rojig: { summary: 'Fedora CoreOS testing' },
    releasever: 40,
    'automatic-version-prefix': '40.<date:%Y%m%d>.dev',
    'mutate-os-release': '40',
    'add-commit-metadata': { 'fedora-coreos.stream': 'testing' },
    'ostree-layers': ['overlay/16devel', 'overlay/05core'],
    packages: ['fuse-overlayfs', 'irqbalance', 'kernel', 'microcode_ctl', 'rpm-ostree', 'slirp4netns'],
    'container-cmd': ['/usr/bin/bash'],
  });
  expect(values['remove-from-packages']?.map(([one]) => one)).toEqual(['cracklib-dicts', 'systemd']);
  expect(values.postprocess?.[0]).toBe('#!/usr/bin/env bash\nset -xeuo pipefail\necho base\n');
  expect(origins.get('packages/slirp4netns')).toMatchObject({ line: 16, column: 5 });
  expect((await read(COREOS, { basearch: 's390x' })).values.packages).toEqual([
    'fuse-overlayfs',
    'kernel',
    'rpm-ostree',
    's390utils-core',
    'slirp4netns',
  ]);
});

test('the treefiles this project ships are read, for every architecture they are for', async () => {
  const folder = join(import.meta.dirname, '..', '..', 'treefiles');
  for (const basearch of ['x86_64', 'aarch64', 'ppc64le', 's390x']) {
    const { values, notes } = await readTreefile(join(folder, 'centos-stream-atomic-host.yaml'), { basearch });
    expect(values.ref).toBe(`centos-atomic-host/9/${basearch}/devel/continuous`);
    expect(values.packages).toContain('rpm-ostree');
    expect(notes).toEqual([]);
  }
  const { values } = await readTreefile(join(folder, 'lab-atomic-host.yaml'), { basearch: 'x86_64' });
  expect(values.repos).toEqual(['lab-base', 'lab-sig-atomic']);
});
