import { copyFile, mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { unsignedPath } from '../../src/koji/koji-files.ts';
import { run } from '../../src/programs/exec.ts';
import { signatureHeaderOf } from '../../src/rpm/signature/signature-header.ts';
import { addBuild } from './koji-admin.ts';
import type { KojiHub } from './koji-hub.ts';
import { placeOf } from './koji-methods.ts';
import { sigmd5Of } from './koji-signature.ts';
import { MINI_EPOCH } from './mini-rpm.ts';

/** A build as a SIG makes it: source, for each architecture a package and its debuginfo, and one without an architecture. */
export interface MadeBuild {
  readonly name: string;
  readonly version: string;
  readonly release: string;
  /** Absolute. */
  readonly files: readonly string[];
}

/** Builds one with rpmbuild: unsigned, with small files. @param also the name of one more package, without files */
export async function buildForKoji(
  dir: string,
  name: string,
  { version = '1.0', release = '1.el8', arches = ['x86_64'], content = 'x', also = '' } = {},
): Promise<MadeBuild> {
  const top = await mkdtemp(join(tmpdir(), 'atomic-nightly-test-'));
  try {
    const spec = join(top, `${name}.spec`);
    await writeFile(spec, specOf(name, version, release, content) + (also && morePackage(also)));
    for (const [index, arch] of arches.entries()) {
      const defines = {
        ...{ _topdir: top, _rpmdir: join(top, 'out'), _srcrpmdir: join(top, 'out'), _tmppath: top, _buildhost: 'koji' },
        ...{ _build_name_fmt: '%%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm', debug_package: '%{nil}' },
        ...{ use_source_date_epoch_as_buildtime: '1', __os_install_post: '%{nil}', _binary_payload: 'w1.gzdio' },
      };
      const args = Object.entries(defines).flatMap(([key, value]) => ['--define', `${key} ${value}`]);
      await run('rpmbuild', [index === 0 ? '-ba' : '-bb', '--target', arch, ...args, spec], {
        env: { HOME: top, SOURCE_DATE_EPOCH: String(MINI_EPOCH) },
      });
    }
    await mkdir(dir, { recursive: true });
    const names = (await readdir(join(top, 'out'))).filter((file) => file.endsWith('.rpm')).sort();
    for (const file of names) await copyFile(join(top, 'out', file), join(dir, file));
    return { name, version, release, files: names.map((file) => join(dir, file)) };
  } finally {
    await rm(top, { recursive: true, force: true });
  }
}

const specOf = (name: string, version: string, release: string, content: string): string => `Name: ${name}
Version: ${version}
Release: ${release}
Summary: test package
License: MIT
AutoReqProv: no
%description
test package
%package common
Summary: files for every architecture
BuildArch: noarch
%description common
test package
%package debuginfo
Summary: debugging data
%description debuginfo
test package
%install
mkdir -p %{buildroot}/usr/share/${name} %{buildroot}/usr/lib/debug/${name}
echo ${content} > %{buildroot}/usr/share/${name}/file
echo ${content} > %{buildroot}/usr/share/${name}/common
echo ${content} > %{buildroot}/usr/lib/debug/${name}/file
%files
/usr/share/${name}/file
%files common
/usr/share/${name}/common
%files debuginfo
/usr/lib/debug/${name}/file
`;

const morePackage = (name: string): string => `%package ${name}
Summary: no files
%description ${name}
test package
%files ${name}
`;

/** Gives a hub builds with their files, as imports do. */
export async function importBuilds(hub: KojiHub, builds: readonly MadeBuild[]): Promise<void> {
  await hub.transaction(async (state) => {
    for (const build of builds) {
      const rpms = await Promise.all(build.files.map((file) => rpmIn(file, build)));
      const added = addBuild(state, build, rpms);
      for (const [index, rpm] of rpms.entries()) {
        const path = join(hub.topdir, unsignedPath(placeOf(added), { ...build, ...rpm }));
        await mkdir(dirname(path), { recursive: true });
        await copyFile(build.files[index] ?? '', path);
      }
    }
  });
}

/** What koji's import reads out of a file, by its name and its signature header. */
async function rpmIn(file: string, { version, release }: MadeBuild) {
  const [, name = '', arch = ''] = new RegExp(`([^/]+)-${version}-${release}\\.([^.]+)\\.rpm$`).exec(file) ?? [];
  const header = await signatureHeaderOf(file);
  const { size } = await stat(file);
  return { name, arch, header, size, payloadhash: sigmd5Of(header), buildtime: MINI_EPOCH };
}
