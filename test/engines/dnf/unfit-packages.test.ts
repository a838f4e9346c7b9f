import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { run } from '../../../src/programs/exec.ts';
import { type MiniDistro, makeMiniDistro } from '../../support/mini-distro.ts';
import { temporaryFolder } from '../../support/tmp.ts';
import { composeMini, makePlace, type Place } from './support.ts';

let place: Place;
let distro: MiniDistro;
beforeAll(async () => {
  place = await makePlace();
  distro = await makeMiniDistro(join(place.dir, 'distro'));
});
afterAll(() => rmSync(place.dir, { recursive: true, force: true }));

/** A package whose files a shell line makes, below `$RPM_BUILD_ROOT`. */
async function publish(name: string, install: string, files: string): Promise<void> {
  const dir = temporaryFolder();
  const spec = `Name: ${name}\nVersion: 1\nRelease: 1\nSummary: x\nLicense: MIT\nBuildArch: noarch\nAutoReqProv: no\n%description\nx\n%install\nmkdir -p %{buildroot}/usr/share\n${install}\n%files\n${files}\n`;
  await run('sh', ['-c', 'cat > "$0/a.spec"', dir], { input: spec });
  await run('rpmbuild', [
    '-bb',
    '--define',
    `_topdir ${dir}`,
    '--define',
    `_rpmdir ${distro.repoDir}`,
    join(dir, 'a.spec'),
  ]);
  await run('createrepo_c', ['--quiet', '--no-database', '--simple-md-filenames', '--update', distro.repoDir]);
}

it.each([
  ['fifo', 'mkfifo %{buildroot}/usr/share/pipe', '/usr/share/pipe', 'fifo-1-1.noarch has /usr/share/pipe, a FIFO'],
  ['device', '', '%dev(c,1,3) /usr/share/null', 'device-1-1.noarch has /usr/share/null, a character device'],
])(
  'refuses a package with a %s before anything is installed, naming package and path',
  async (name, install, files, told) => {
    await publish(name, install, files);
    await distro.writeTreefile({ packages: ['filesystem', name] });
    await expect(composeMini(distro, place)).rejects.toMatchObject({
      code: 'compose',
      message: expect.stringContaining(told),
    });
  },
);
