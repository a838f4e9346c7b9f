import { join } from 'node:path';
import { expect, test } from 'vitest';
import { read, refusal } from './files.ts';

test('lists of included files come first, the last include foremost; the first value of a plain key stands', async () => {
  const { values } = await read({
    'top.yaml': `
include: [a.yaml, b.yaml]
units: [top.service]
postprocess: [echo top]
default-target: top.target
`,
    'a.yaml':
      'units: [a.service]\npostprocess: [echo a]\ndefault-target: a.target\nrecommends: false\ninclude: sub.yaml\n',
    'b.yaml': 'units: [b.service]\npostprocess: [echo b]\nrecommends: true\nselinux: false\n',
    'sub.yaml': 'units: [sub.service]\nselinux: true\n',
  });
  expect(values.units).toEqual(['b.service', 'sub.service', 'a.service', 'top.service']);
  expect(values.postprocess).toEqual(['echo b', 'echo a', 'echo top']);
  expect(values['default-target']).toBe('top.target');
  expect(values.recommends).toBe(false);
  expect(values.selinux).toBe(true);
});

test('maps are merged by key and the including file wins; sets are sorted and each entry comes once', async () => {
  const { values, origins } = await read({
    'top.yaml': `
include: base.json
add-commit-metadata: {b: top, c: top}
ignore-removed-users: [zoe, amy]
packages: [zsh, bash]
`,
    'base.json': {
      'add-commit-metadata': { a: 'base', b: 'base' },
      'ignore-removed-users': ['amy', 'bob'],
      packages: ['bash', 'less'],
    },
  });
  expect(values['add-commit-metadata']).toEqual({ a: 'base', b: 'top', c: 'top' });
  expect(values['ignore-removed-users']).toEqual(['amy', 'bob', 'zoe']);
  expect(values.packages).toEqual(['bash', 'less', 'zsh']);
  expect(origins.get('packages/bash')?.file).toMatch(/top\.yaml$/);
  expect(origins.get('packages/less')?.file).toMatch(/base\.json$/);
});

test('repos of includes add up in front of one’s own', async () => {
  const { values } = await read({
    'continuous.json': { include: 'host.json', repos: ['continuous'] },
    'host.json': { repos: ['base', 'updates'] },
  });
  expect(values.repos).toEqual(['base', 'updates', 'continuous']);
});

test('arch-include and packages-ARCH count for their architecture alone', async () => {
  const files = {
    'top.yaml': `
arch-include:
  x86_64: [x86.yaml]
  aarch64: arm.yaml
packages: [kernel]
packages-x86_64: [microcode_ctl]
packages-aarch64: [shim-aa64]
`,
    'x86.yaml': 'packages: [grub2-pc]',
    'arm.yaml': 'packages: [grub2-efi-aa64]',
  };
  expect((await read(files)).values.packages).toEqual(['grub2-pc', 'kernel', 'microcode_ctl']);
  expect((await read(files, { basearch: 'aarch64' })).values.packages).toEqual([
    'grub2-efi-aa64',
    'kernel',
    'shim-aa64',
  ]);
  expect((await read(files, { basearch: 's390x' })).values.packages).toEqual(['kernel']);
});

test('conditional-include compares booleans, numbers and text, and all of a list must hold', async () => {
  const { values } = await read({
    'top.yaml': `
releasever: 9
variables: {prod: false, stream: "devel", level: 5}
conditional-include:
  - {if: prod == false, include: one.yaml}
  - {if: prod == true, include: missing.yaml}
  - {if: releasever >= 9, include: [two.yaml]}
  - {if: level<5, include: missing.yaml}
  - if: ['stream == "devel"', 'basearch != "s390x"']
    include: {packages: [inlined 'kernel >= 6.1'], packages-x86_64: [for-x86]}
  - if: ['stream == "devel"', level > 5]
    include: missing.yaml
`,
    'one.yaml': 'packages: [one]',
    'two.yaml': 'packages: [two]',
  });
  expect(values.packages).toEqual(['for-x86', 'inlined', 'kernel >= 6.1', 'one', 'two']);
});

test('variables: the caller wins over the top file, that over its includes; each file sees those before it', async () => {
  const files = {
    'top.yaml': `
variables: {stream: top}
include: [first.yaml, second.yaml]
ref: "os/\${releasever}/\${basearch}/\${stream}/\${extra}"
metadata: {name: "\${stream}", nested: {kept: "\${stream}"}}
`,
    'first.yaml': 'releasever: "9"\nvariables: {stream: first, extra: x}',
    'second.yaml': 'conditional-include: [{if: extra == "x", include: {packages: [seen]}}]',
  };
  const { values, origins } = await read(files);
  expect(values.ref).toBe('os/9/x86_64/top/x');
  expect(values.metadata).toEqual({ name: 'top', nested: { kept: '${stream}' } });
  expect(values.packages).toEqual(['seen']);
  expect(values.variables).toEqual({ extra: 'x', stream: 'top' });
  expect(origins.get('variables/extra')?.file).toMatch(/first\.yaml$/);
  expect((await read(files, { variables: { stream: 'given' } })).values.ref).toBe('os/9/x86_64/given/x');
});

test('a circle, a file included twice and a missing one are named with the way there', async () => {
  expect(await refusal({ 'a.yaml': 'include: b.yaml', 'b.yaml': 'include: a.yaml' })).toContain(
    'b.yaml:1:10: include: the treefiles include each other in a circle: a.yaml → b.yaml → a.yaml.',
  );
  expect(await refusal({ 'a.yaml': 'include: [b.yaml, ./b.yaml]', 'b.yaml': 'packages: [x]' })).toContain(
    'a.yaml:1:19: include: b.yaml was included before',
  );
  expect(await refusal({ 'a.yaml': 'packages: [x]\ninclude: nope.yaml' })).toContain(
    'a.yaml:2:10: include: nope.yaml does not exist.',
  );
});

test('includes are found beside the file that names them, and so are the files they name', async () => {
  const treefile = await read({
    'top.yaml': 'include: sub/base.yaml',
    'sub/base.yaml': `
include: ../other/more.yaml
check-passwd: {type: file, filename: passwd}
add-files: [[motd, /usr/lib/motd]]
`,
    'sub/passwd': 'root:x:0:0::/root:/bin/bash\n',
    'sub/motd': 'hello\n',
    'other/more.yaml': 'postprocess-script: post.sh',
    'other/post.sh': '#!/bin/sh\n',
  });
  const folder = treefile.path.slice(0, -'/top.yaml'.length);
  expect(treefile.values['check-passwd']).toEqual({ type: 'file', filename: join(folder, 'sub/passwd') });
  expect(treefile.values['add-files']).toEqual([[join(folder, 'sub/motd'), '/usr/lib/motd']]);
  expect(treefile.values['postprocess-script']).toBe(join(folder, 'other/post.sh'));
  expect(treefile.files.map((path) => path.slice(folder.length + 1)).sort()).toEqual([
    'other/more.yaml',
    'other/post.sh',
    'sub/base.yaml',
    'sub/motd',
    'sub/passwd',
    'top.yaml',
  ]);
});

test('a package of several repo-packages entries belongs to the last, which is the including file’s', async () => {
  const { values } = await read({
    'top.yaml': 'include: base.yaml\nrepo-packages: [{repo: sig, packages: [podman crun]}]',
    'base.yaml': 'repo-packages: [{repo: old, packages: [podman]}, {repo: base, packages: [crun, less]}]',
  });
  expect(values['repo-packages']).toEqual([
    { repo: 'base', packages: ['less'] },
    { repo: 'sig', packages: ['crun', 'podman'] },
  ]);
});

test('container and edition imply their defaults where they stand; an including file can say otherwise', async () => {
  const { values } = await read({
    'top.yaml': 'include: base.yaml\nselinux: true',
    'base.yaml': 'container: true',
  });
  expect(values).toMatchObject({
    selinux: true,
    'tmp-is-dir': true,
    'boot-location': 'modules',
    'check-passwd': { type: 'none' },
  });
  expect((await read({ 'top.yaml': 'edition: "2024"\ntmp-is-dir: false' })).values).toMatchObject({
    'tmp-is-dir': false,
    'boot-location': 'modules',
  });
});

test('executables in finalize.d are found, so that an engine can refuse them', async () => {
  const treefile = await read({
    'top.yaml': 'packages: [bash]',
    'finalize.d/20-second.sh': '#!/bin/sh\n',
    'finalize.d/10-first.sh': '#!/bin/sh\n',
    'finalize.d/README': 'not executable\n',
  });
  expect(treefile.values['finalize.d']?.map((path) => path.split('/').at(-1))).toEqual(['10-first.sh', '20-second.sh']);
});
