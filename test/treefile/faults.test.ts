import { mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { run } from '../../src/programs/exec.ts';
import { readTreefile } from '../../src/treefile/read.ts';
import { read, refusal, writeFiles } from './files.ts';

test('an unknown key names file, line, column and the nearest known key', async () => {
  expect(await refusal({ 'top.yaml': 'ref: a\npakages: [x]' })).toBe(
    'The treefile top.yaml has a fault:\ntop.yaml:2:1: unknown key "pakages". Did you mean "packages"?',
  );
  expect(await refusal({ 'top.yaml': 'tmp_is_dir: true' })).toContain('Did you mean "tmp-is-dir"?');
  expect(await refusal({ 'top.json': '{"override-remove": ["a"]}' })).toContain('for hosts that layer packages');
  expect(await refusal({ 'top.yaml': 'modules: {enable: [a]}' })).toContain('dropped modularity');
});

test('all faults of all files come at once, each with its place', async () => {
  const message = await refusal({
    'top.yaml': `
include: base.json
selinux: "yes"
units: sshd.service
boot-location: both
releasever: 9.5
packages: [3.10, "'unpaired"]
check-passwd: {type: file, entries: {}}
add-files: [[nowhere, /usr/x, /usr/y]]
`,
    'base.json': '{"selinux-label-version": -1, "conditional-include": [{"if": "x", "then": 1}]}',
  });
  expect(message.split('\n')).toEqual([
    'The treefile top.yaml has 12 faults:',
    'top.yaml:3:10: selinux: must be true or false, but is the text "yes".',
    'top.yaml:4:8: units: must be a list, but is the text "sshd.service".',
    'top.yaml:5:16: boot-location: must be one of new, modules, kernel-install, but is the text "both".',
    'top.yaml:6:13: releasever: must be a whole number from 0, but is 9.5.',
    'top.yaml:7:12: packages: must be text, but is 3.1. Put it in quotes.',
    'top.yaml:7:18: packages: the package entry "\'unpaired" has a single quote without its partner.',
    'top.yaml:8:28: check-passwd: "entries" does not go with "type": "file".',
    'top.yaml:8:15: check-passwd: "filename" is missing here.',
    'top.yaml:9:13: add-files: must be a pair: the file, and its path in the tree.',
    'base.json:1:27: selinux-label-version: must be a whole number from 0, but is -1.',
    'base.json:1:67: conditional-include: unknown key "then"; known here: if, include.',
    'base.json:1:55: conditional-include: "include" is missing here.',
  ]);
});

test('broken YAML and JSON are refused with the place', async () => {
  expect(await refusal({ 'top.yaml': 'packages: [a\nref: b' })).toMatch(/top\.yaml:\d+:\d+: not valid YAML: /);
  expect(await refusal({ 'top.json': '{"ref": "a",}' })).toMatch(/top\.json:1:\d+: not valid JSON/);
  expect(await refusal({ 'top.json': 'ref: a' })).toMatch(/top\.json:1:\d+: not valid JSON/);
  expect(await refusal({ 'top.json': '{"ref": "a" // remark\n}' })).toMatch(/not valid JSON/);
  expect(await refusal({ 'top.yaml': 'ref: a\nref: b' })).toMatch(
    /top\.yaml:2:1: not valid YAML: this key stands in its map a second time/,
  );
  expect(await refusal({ 'top.yaml': '- a' })).toContain('a treefile is a map of keys, this is a list');
  expect(await refusal({ 'top.yaml': 'packages: &a [*a]' })).toContain('alias *a');
});

test('a key written twice is refused in JSON as in YAML, wherever it stands', async () => {
  const twice = '{\n"install-langs": ["en_US"],\n"install-langs": ["de_DE"]\n}';
  expect(await refusal({ 'top.json': twice })).toBe(
    'The treefile top.json has a fault:\ntop.json:3:1: "install-langs" is on line 2 too; a key may occur only once.',
  );
  expect(await refusal({ 'top.json': '{"packages-x86_64": ["a"], "packages-x86_64": ["b"]}' })).toContain(
    'top.json:1:28: "packages-x86_64" is on line 1 too',
  );
  expect(await refusal({ 'top.json': '{"include": "a.json", "include": "b.json"}', 'a.json': '{}' })).toContain(
    'top.json:1:23: "include" is on line 1 too',
  );
  expect(await refusal({ 'top.json': '{"add-commit-metadata": {"a": 1, "a": 2}}' })).toContain('"a" is on line 1 too');
  expect(await refusal({ 'top.json': '{"include": "in.json"}', 'in.json': '{"ref": "a", "ref": "b"}' })).toContain(
    'in.json:1:14: "ref" is on line 1 too',
  );
  // A remark may come as often as its writer likes.
  const { values } = await read({
    'top.json': '{"ref": "a", "comment": "x", "comment": "y", "our note": 1, "our note": 2}',
  });
  expect(values.ref).toBe('a');
});

test('unknown keys in JSON are ignored with a note that names them, in included files too', async () => {
  const { values, notes } = await read({
    'top.json': '{"ref": "x", "packages": ["p"],\n"comment-for-packages": "hello", "include": "in.json"}',
    'in.json': '{"pakages": ["q"]}',
  });
  expect(values).toMatchObject({ ref: 'x', packages: ['p'] });
  expect(notes).toMatchObject([
    {
      place: { file: expect.stringMatching(/top\.json$/), line: 2, column: 1 },
      message: '"comment-for-packages" is not a key; rpm-ostree ignores such keys in JSON.',
    },
    {
      place: { file: expect.stringMatching(/in\.json$/), line: 1, column: 2 },
      message: '"pakages" is not a key; rpm-ostree ignores such keys in JSON. Did you mean "packages"?',
    },
  ]);
  expect(await refusal({ 'top.yaml': 'comment-for-packages: hello' })).toContain('unknown key "comment-for-packages"');
});

test('lists for any other architecture are ignored, with a note where nobody has it', async () => {
  for (const name of ['top.json', 'top.yaml']) {
    const { values, notes } = await read({
      [name]: '{"packages": ["p"], "packages-armv7hl": ["q"], "packages-aarch64": ["r"], "packages-x86_64": ["s"]}',
    });
    expect(values.packages).toEqual(['p', 's']);
    expect(notes).toMatchObject([
      { message: '"packages-armv7hl" is for no architecture that is known here; ignored.' },
    ]);
  }
  const { notes } = await read({ 'top.json': '{"packages-x86-64": []}' });
  expect(notes).toMatchObject([{ message: expect.stringContaining('Did you mean "x86_64"?') }]);
  // On such a machine it counts.
  const files = { 'top.yaml': 'packages-armv7hl: [q]\narch-include: {armv7hl: a.yaml}', 'a.yaml': 'packages: [r]' };
  const there = await read(files, { basearch: 'armv7hl' });
  expect(there).toMatchObject({ values: { packages: ['q', 'r'] }, notes: [] });
  expect((await read(files)).notes).toMatchObject([
    { message: expect.stringContaining('packages-armv7hl') },
    { message: 'arch-include: "armv7hl" is not a known architecture; ignored.' },
  ]);
  expect(await refusal({ 'top.yaml': 'packages-armv7hl: q' })).toContain('packages-armv7hl: must be a list');
});

test('aliases of aliases, and lists in lists without an end, are a fault with a place at once', async () => {
  const levels = Array.from({ length: 9 }, (_, n) => `l${n + 1}: &l${n + 1} [${Array(9).fill(`*l${n}`).join(', ')}]`);
  const bomb = `add-commit-metadata:\n  l0: &l0 [x]\n  ${levels.join('\n  ')}\n`;
  expect(await refusal({ 'top.yaml': bomb })).toMatch(
    /top\.yaml:\d+:\d+: the aliases of this file stand for more than 20000 values/,
  );
  expect(await refusal({ 'top.yaml': `ref: ${'['.repeat(50_000)}` })).toMatch(/not valid YAML|nest too deeply/);
  expect(await refusal({ 'top.json': `{"ref": ${'['.repeat(50_000)}${']'.repeat(50_000)}}` })).toMatch(
    /nest too deeply|not valid JSON/,
  );
  const shared = 'add-commit-metadata:\n  a: &a [1, 2]\n  b: *a\n  c: {d: *a}\n';
  expect((await read({ 'top.yaml': shared })).values['add-commit-metadata']).toEqual({
    a: [1, 2],
    b: [1, 2],
    c: { d: [1, 2] },
  });
});

test('remarks pass in JSON, which has no comments, and only there', async () => {
  const remarks = '{"comment": "x", "install-langs-comment": "y", "osname": "z"}';
  expect((await read({ 'top.json': remarks })).values).toEqual({ basearch: 'x86_64' });
  expect(await refusal({ 'top.yaml': remarks })).toContain('has 3 faults');
});

test('old and new name of a key in one file are refused', async () => {
  expect(await refusal({ 'top.json': { gpg_key: 'A', 'gpg-key': 'B' } })).toContain(
    'top.json:1:2: "gpg_key" is the old name of "gpg-key", which is in this file too.',
  );
});

test('conditions: what cannot be decided is refused, also behind a condition that does not hold', async () => {
  const condition = async (text: string): Promise<string> =>
    refusal({
      'top.yaml': `variables: {name: "x", on: true}\nconditional-include: [{if: ['name == "y"', ${JSON.stringify(text)}], include: a.yaml}]`,
    });
  expect(await condition('undefined == 1')).toContain(
    'the variable "undefined" is not defined here; defined: basearch, name, on.',
  );
  expect(await condition('name == 1')).toContain('"name" is "x", a string; it cannot be compared with 1, a number.');
  expect(await condition('name > "a"')).toContain('">" compares numbers; "name" is a string.');
  expect(await condition('on <= true')).toContain('"<=" compares numbers');
  expect(await condition('name ~ "x"')).toContain('"~" is not an operator');
  expect(await condition('name == x')).toContain('not of the form');
});

test('an inlined treefile cannot name files or include', async () => {
  const message = await refusal({
    'top.yaml': `
conditional-include:
  - if: basearch == "x86_64"
    include: {include: a.yaml, add-files: [], check-groups: {type: file, filename: group}}
`,
  });
  for (const key of ['include', 'add-files', 'check-groups'])
    expect(message).toContain(`"${key}" cannot stand in an inlined treefile`);
});

test('rules between values: presets, places in the tree, exclusions, built-in variables, the architecture', async () => {
  const one = (text: string): Promise<string> => refusal({ 'top.yaml': text, file: 'x' });
  expect(await one('machineid-compat: false\nunits: [a.service]')).toContain(
    'top.yaml:2:9: units: has no effect with "machineid-compat: false"',
  );
  expect(await one('add-files: [[file, /opt/x]]')).toContain('/opt/x is not below /usr');
  expect(await one('add-files: [[file, /usr/../opt/x]]')).toContain('is not below /usr');
  expect(await one('add-files: [[file, /usr/local/x]]')).toContain('is not below /usr');
  expect(await one('exclude-packages: [python3]\npackages: [bash python3]')).toContain(
    'top.yaml:2:12: packages: "python3" is asked for here and excluded',
  );
  expect(await one('automatic-version-suffix: "--"')).toContain('single ASCII character');
  expect(await one('selinux-label-version: 2')).toContain('must be 0 or 1');
  expect(await one('repovars: {releasever: "9"}')).toContain('set by the key "releasever"');
  expect(await one('variables: {basearch: x}')).toContain('"basearch" is built in');
  expect(await one('variables: {a: "${b}"}')).toContain('may not have $');
  expect(await one('ref: "a/${nope}"')).toContain(
    'top.yaml:1:6: ref: the variable ${nope} is not defined; defined: basearch.',
  );
  expect(await one('basearch: aarch64')).toContain('the treefile is for aarch64, not for x86_64');
});

test('files a treefile names must be there, a script executable', async () => {
  const message = await refusal({
    'top.yaml': 'postprocess-script: post\nadd-files: [[gone, /usr/x]]\ncheck-passwd: {type: file, filename: gone}',
    post: '#!/bin/sh\n',
  });
  expect(message).toContain('post is not executable; chmod +x makes it so.');
  expect(message).toContain('top.yaml:2:13: add-files: gone does not exist.');
  expect(message).toContain('top.yaml:3:15: check-passwd: gone does not exist.');
});

test('the caller cannot give built-in variables, and a kickstart file is not a treefile', async () => {
  await expect(read({ 'top.yaml': 'ref: a' }, { variables: { releasever: '9' } })).rejects.toMatchObject({
    code: 'usage',
  });
  expect(await refusal({ 'top.yaml': 'include: a.ks', 'a.ks': '%packages\n%end\n' })).toContain('kickstart');
});

test('K7: a FIFO where a file is named is refused with its path, and not waited for', async () => {
  const folder = await writeFiles({
    'top.yaml': 'ref: a\ninclude: more.yaml\nadd-files: [[pipe, /usr/x]]\npostprocess-script: script',
    'repo.yaml': 'ref: a',
  });
  await run(
    'mkfifo',
    ['pipe', 'script', 'more.yaml'].map((name) => join(folder, name)),
  );
  const refused = (name: string) =>
    readTreefile(join(folder, name), { basearch: 'x86_64' }).then(
      () => 'accepted',
      (error: unknown) => String(error).replaceAll(`${folder}/`, ''),
    );
  const message = await refused('top.yaml');
  for (const name of ['include: more.yaml', 'add-files: pipe', 'postprocess-script: script']) {
    expect(message).toContain(`${name} is not a file.`);
  }
  await run('mkfifo', [join(folder, 'x.repo')]);
  expect(await refused('repo.yaml')).toContain('x.repo is not a file.');
});

test('what would reach out of the tree, or be all of it, is refused with its place', async () => {
  const message = await refusal({
    'top.yaml': `
remove-files: ['', /, ./, a/../../b, usr/./bin]
units: [../../evil.service, '', a b.service, getty@tty1.service, 'dev-disk-by\\x2duuid.swap']
default-target: .
add-files: [[f, /usr//local/x], [f, /usr/./local/x], [f, /etc/x/], [f, //etc//x]]
remove-from-packages: [[a, '('], [a, '^/usr/x(?=y)']]
`,
    f: '',
  });
  expect(message.split('\n').slice(1)).toEqual([
    ...['/usr//local/x', '/usr/./local/x', '/etc/x/'].map((path) =>
      expect.stringContaining(`add-files: ${path} is not below /usr (without /usr/local) or /etc`),
    ),
    expect.stringMatching(/:2:16: remove-files: "" is the whole tree/),
    expect.stringMatching(/:2:20: remove-files: "\/" is the whole tree/),
    expect.stringMatching(/:2:23: remove-files: ".\/" is the whole tree/),
    expect.stringMatching(/:2:27: remove-files: a\/..\/..\/b has ".."/),
    expect.stringMatching(/:6:24: remove-from-packages: \( is not a regular expression: /),
    expect.stringMatching(/:3:9: units: "..\/..\/evil.service" is not a unit name/),
    expect.stringMatching(/:3:29: units: "" is not a unit name/),
    expect.stringMatching(/:3:33: units: "a b.service" is not a unit name/),
    expect.stringMatching(/:4:17: default-target: "." is not a unit name/),
  ]);
});

test('a text that is not UTF-8, links in a circle and a second document are told with their place', async () => {
  const folder = await writeFiles({
    'top.yaml': 'include: [loop.yaml, more.yaml]\nadd-files: [[loop.yaml, /etc/x]]\n',
    'more.yaml': 'ref: a\n---\nref: b\n',
  });
  await symlink('loop.yaml', join(folder, 'loop.yaml'));
  const top = join(folder, 'top.yaml');
  await expect(readTreefile(top, { basearch: 'x86_64' })).rejects.toMatchObject({
    code: 'treefile',
    message: expect.stringMatching(
      /top\.yaml:2:13: add-files: \S+ leads in a circle of links\.\n\S+top\.yaml:1:11: include: \S+ leads in a circle of links\.\n\S+more\.yaml:2:1: not valid YAML: a second document begins here/,
    ),
  });
  await writeFile(top, Buffer.from('ref: a\n# é caf\xe9 here\n', 'latin1'));
  await expect(readTreefile(top, { basearch: 'x86_64' })).rejects.toMatchObject({
    message: expect.stringMatching(/top\.yaml:2:3: a byte that is no UTF-8/),
  });
});

test('.repo files that are a folder or lead to nothing are named', async () => {
  const folder = await writeFiles({ 'top.yaml': 'ref: a\n' });
  await symlink('nothing', join(folder, 'a.repo'));
  const read = () => readTreefile(join(folder, 'top.yaml'), { basearch: 'x86_64' });
  await expect(read()).rejects.toMatchObject({
    code: 'treefile',
    message: expect.stringMatching(/a\.repo does not exist/),
  });
  await rm(join(folder, 'a.repo'));
  await mkdir(join(folder, 'b.repo'));
  await expect(read()).rejects.toMatchObject({
    code: 'treefile',
    message: expect.stringMatching(/b\.repo is not a file/),
  });
});
