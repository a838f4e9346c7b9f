import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type OpenBuilders, type Rebuilt, rebuild } from '../../src/pipelines/rebuild.ts';
import { run } from '../../src/programs/exec.ts';
import type { RebuildResult } from '../../src/rebuild/result.ts';
import { startMachine, type TestMachine } from '../support/machines.ts';
import { openTestBuilders } from '../support/rebuild-project.ts';
import { makeRebuildWorld, type RebuildWorld } from '../support/rebuild-world.ts';
import { sharedFolder, testTask } from '../support/tmp.ts';

const dir = sharedFolder();
const task = testTask(dir);
let world: RebuildWorld;
let open: OpenBuilders & { readonly path: string };
const machines: TestMachine[] = [];
const sources: string[] = [];

const PROGRAM =
  '#include <stdio.h>\n#include "answer.h"\nint main(void) { printf("%s %d\\n", __FILE__, answer()); return 0; }\n';
const LIBRARY = '#include "answer.h"\nint answer(void) { return 42; }\n';
const HEADER = 'int answer(void);\n';

/** Compiled, with debug information of its own and a part for every architecture. */
const COMPILED = `%global _enable_debug_packages 1
AutoReqProv: no
BuildRequires: gcc
%description
test
%debug_package
%package doc
Summary: its documentation
BuildArch: noarch
%description doc
test
%prep
%setup -q -T -c
cp %{SOURCE0} %{SOURCE1} %{SOURCE2} .
%build
gcc -g -O2 -Wl,--build-id=sha1 -o answer main.c answer.c
%install
install -D answer %{buildroot}/usr/bin/answer
mkdir -p %{buildroot}/usr/share/doc/answer
echo "how to use it" > %{buildroot}/usr/share/doc/answer/README
%files
/usr/bin/answer
%files doc
/usr/share/doc/answer`;

const STATIC = `%global debug_package %{nil}
AutoReqProv: no
BuildRequires: gcc make
%description
test
%prep
%setup -q -T -c
cp %{SOURCE0} %{SOURCE1} .
%build
gcc -O2 -c answer.c
ar rcs libanswer.a answer.o
%install
install -D -m 644 libanswer.a %{buildroot}/usr/lib64/libanswer.a
%files
/usr/lib64/libanswer.a`;

const SCRIPTS = `BuildArch: noarch
AutoReqProv: no
%description
test
%install
mkdir -p %{buildroot}/usr/share/scripts
for n in 3 1 2; do echo "script $n" > %{buildroot}/usr/share/scripts/$n; done
tar -C %{buildroot}/usr/share/scripts -czf %{buildroot}/usr/share/scripts/all.tar.gz --sort=name --mtime=@0 1 2 3
%files
/usr/share/scripts`;

beforeAll(async () => {
  world = await makeRebuildWorld(dir, { compiler: true });
  for (const [name, operator] of [
    ['alpha', 'example.org'],
    ['beta', 'example.net'],
  ] as const) {
    machines.push(await startMachine({ name, operator, lower: world.lower, dir }));
  }
  open = await openTestBuilders(world, machines);
  const code = { 'main.c': PROGRAM, 'answer.c': LIBRARY, 'answer.h': HEADER };
  sources.push(await world.source('answer', COMPILED, code));
  sources.push(await world.source('answer-static', STATIC, { 'answer.c': LIBRARY, 'answer.h': HEADER }));
  sources.push(await world.source('scripts', SCRIPTS));
});
afterAll(async () => {
  for (const machine of machines) await machine.stop();
});

function resultsOf(all: readonly Rebuilt[]): RebuildResult[] {
  return all.map((one) => {
    if ('error' in one) throw one.error;
    return one.result;
  });
}

it('three source packages are the same from two operators, and install from a repository (I10)', async () => {
  const request = { sources, repoFiles: open.builders.repositories, scratch: false };
  const first = resultsOf(await rebuild(open, { ...request, on: 'alpha' }, task));
  const second = resultsOf(await rebuild(open, { ...request, on: 'beta' }, task));
  expect(first.map(({ outcome }) => outcome)).toEqual(['built', 'built', 'built']);
  const headers = (results: readonly RebuildResult[]) =>
    results.map(({ packages }) => packages.map(({ nevra, header }) => [nevra, header]));
  expect(headers(second)).toEqual(headers(first));
  const names = first.flatMap(({ packages }) => packages.map(({ nevra }) => nevra)).sort();
  expect(names).toEqual([
    'answer-1.0-1.x86_64',
    'answer-debuginfo-1.0-1.x86_64',
    'answer-doc-1.0-1.noarch',
    'answer-static-1.0-1.x86_64',
    'scripts-1.0-1.noarch',
  ]);

  const command = [
    'bin/atomic-nightly.js',
    '--config',
    open.path,
    'rebuild',
    sources[2] ?? '',
    '--on',
    'alpha',
    '--scratch',
    '--json',
  ];
  const { stdout } = await run('node', command);
  expect(JSON.parse(stdout)).toMatchObject({
    results: [{ outcome: 'built', scratch: true, packages: first[2]?.packages }],
  });

  const repository = join(dir, 'repository');
  await mkdir(repository);
  for (const { job, packages } of first) {
    const folder = join(open.config.work, 'rebuild/jobs', job, 'attempt-1/packages');
    for (const { file } of packages) await run('cp', [join(folder, file), repository]);
  }
  await run('createrepo_c', ['--quiet', repository]);
  const root = join(dir, 'installed');
  const dnf = [
    '--installroot',
    root,
    '--releasever',
    '1',
    '--setopt=reposdir=/nonexistent',
    '--setopt=cachedir=/cache',
  ];
  const from = ['--repofrompath', `built,file://${repository}`, '--repo', 'built', '--nogpgcheck', '-y'];
  await run('dnf', [
    ...dnf,
    ...from,
    'install',
    'answer',
    'answer-doc',
    'answer-debuginfo',
    'answer-static',
    'scripts',
  ]);
  expect((await run(join(root, 'usr/bin/answer'), [])).stdout).toBe('main.c 42\n');
  expect((await run('find', [join(root, 'usr/lib/debug'), '-name', '*.debug'])).stdout).not.toBe('');
});
