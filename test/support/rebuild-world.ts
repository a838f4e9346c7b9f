import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../../src/programs/exec.ts';
import { hostPackages } from './host-packages.ts';
import { machinePackage, machineRoot } from './machines.ts';
import { type MiniDistro, makeMiniDistro } from './mini-distro.ts';
import { MINI_EPOCH } from './mini-rpm.ts';

/** What a build root without a compiler is made of, and one with it. */
const TOOLS = 'bash coreutils sed grep mawk tar gzip bzip2 diffutils findutils file rpm dash'.split(' ');
const C_TOOLS = [...TOOLS, ...'gcc make libc6-dev debugedit elfutils binutils patch xz-utils'.split(' ')];

/** Packages that build roots and machines are made of, and the root that machines start from. */
export interface RebuildWorld {
  readonly dir: string;
  readonly distro: MiniDistro;
  readonly lower: string;
  /** Makes a source package. @param spec lines between the preamble and %changelog; sources by name */
  source(name: string, spec: string, sources?: Readonly<Record<string, string>>): Promise<string>;
}

/** Makes it from the programs of this machine. @param options.compiler whether build roots have one */
export async function makeRebuildWorld(
  dir: string,
  { compiler }: { readonly compiler: boolean },
): Promise<RebuildWorld> {
  const distro = await makeMiniDistro(dir);
  const tools = await hostPackages('rpm-build', compiler ? C_TOOLS : TOOLS);
  const links = [
    { path: '/usr/bin/sh', link: 'dash' },
    { path: '/usr/bin/awk', link: 'mawk' },
  ];
  const files = [...tools.files.filter(({ path }) => !links.some((one) => one.path === path)), ...links];
  await distro.publish(
    { ...tools, files, provides: ['/bin/sh', 'gcc', 'make'].slice(0, compiler ? 3 : 1) },
    await machinePackage(),
  );
  return {
    dir,
    distro,
    lower: await machineRoot(distro, dir),
    source: (name, spec, sources = {}) => makeSource(join(dir, 'sources', name), name, spec, sources),
  };
}

async function makeSource(
  dir: string,
  name: string,
  spec: string,
  sources: Readonly<Record<string, string>>,
): Promise<string> {
  await mkdir(dir, { recursive: true });
  const names = Object.keys(sources);
  for (const [file, text] of Object.entries(sources)) await writeFile(join(dir, file), text);
  const lines = [
    `Name: ${name}`,
    'Version: 1.0',
    'Release: 1',
    'Summary: test package',
    'License: MIT',
    ...names.map((file, index) => `Source${index}: ${file}`),
    spec,
    '%changelog',
    '* Thu Jan 01 2026 A Packager <packager@example.org> - 1.0-1',
    '- first',
    '',
  ];
  await writeFile(join(dir, `${name}.spec`), lines.join('\n'));
  const defines = { _sourcedir: dir, _srcrpmdir: dir, _topdir: dir };
  await run(
    'rpmbuild',
    [
      '-bs',
      '--nodeps',
      ...Object.entries(defines).flatMap(([key, value]) => ['-D', `${key} ${value}`]),
      join(dir, `${name}.spec`),
    ],
    {
      env: { HOME: dir, SOURCE_DATE_EPOCH: String(MINI_EPOCH) },
    },
  );
  const path = join(dir, `${name}.src.rpm`);
  await copyFile(join(dir, `${name}-1.0-1.src.rpm`), path);
  return path;
}
