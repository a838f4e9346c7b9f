import { existsSync } from 'node:fs';
import { chmod, cp, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'vitest';
import { run } from '../../src/programs/exec.ts';
import { buildStreamStory } from '../support/buildstream-story.ts';
import { describeIf } from '../support/oracles.ts';

// Debian 12 has BuildStream 1 only: a later Debian is unpacked aside once, and that one's program is run in it.
const cache = process.env['ATOMIC_NIGHTLY_TEST_CACHE'] ?? '/var/cache/atomic-nightly-tests';
const root = join(cache, 'buildstream-2');
const PACKAGES = ['buildstream', 'python3-buildstream-plugins', 'git'];

async function laterDebian(): Promise<string | undefined> {
  if (existsSync(root)) return undefined;
  const draft = `${root}.draft`;
  await rm(draft, { recursive: true, force: true });
  await mkdir(cache, { recursive: true });
  try {
    // Debian 12 knows no forky by name; sid's way is that of any later suite. What is to be there besides is left to
    // apt: debootstrap looks at no versions.
    const script = '/usr/share/debootstrap/scripts/sid';
    await run('debootstrap', ['--variant=minbase', 'forky', draft, 'http://deb.debian.org/debian', script]);
    // Proxies and the like, as for this machine.
    await cp('/etc/apt/apt.conf.d', join(draft, 'etc/apt/apt.conf.d'), { recursive: true });
    const environment = ['DEBIAN_FRONTEND=noninteractive', 'LC_ALL=C'];
    for (const args of [['update'], ['install', '--yes', '--no-install-recommends', ...PACKAGES]]) {
      await run('chroot', [draft, 'env', ...environment, 'apt-get', '-q', ...args]);
    }
  } catch (error) {
    return `BuildStream 2 of a later Debian is not there: ${(error as Error).message.split('\n')[0]}`;
  }
  await rename(draft, root);
  return undefined;
}

describeIf(await laterDebian(), 'BuildStream 2', () => {
  test('the example: elements with what %{source-info} tells, unchanged without a build, one element changed, pulled', () =>
    buildStreamStory({
      changeProject: (text) =>
        text.replace('format-version: 12', 'min-version: 2.5') +
        'plugins:\n- {origin: pip, package-name: buildstream-plugins, sources: [git]}\n',
      install: async (dir) => {
        const bst = join(dir, 'bin/bst');
        await mkdir(join(dir, 'bin'));
        const mounts = `--bind ${root} / --dev /dev --proc /proc --tmpfs /tmp --bind ${dir} ${dir} --die-with-parent`;
        await writeFile(bst, `#!/bin/sh\nexec bwrap ${mounts} --chdir "$PWD" /usr/bin/bst "$@"\n`);
        await chmod(bst, 0o755);
        return { PATH: `${join(dir, 'bin')}:${process.env['PATH']}` };
      },
    }));
});
