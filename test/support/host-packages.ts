import { readFileSync } from 'node:fs';
import { lstat, readlink, realpath } from 'node:fs/promises';
import type { MiniFile, MiniRecipe } from './mini-rpm.ts';

/** Debian's own machinery, and parts of programs that nothing here runs. */
const LEFT_OUT: ReadonlySet<string> = new Set(
  (
    'perl perl-base dpkg debconf python3 install-info sensible-utils libgprofng0 adduser ucf runit-helper lsb-base ' +
    'init-system-helpers libpam-modules libpam-runtime libpam-modules-bin procps debianutils base-passwd base-files ' +
    'libasan8 libtsan2 liblsan0 libubsan1 libhwasan0 libitm1 libquadmath0 openssh-client passwd tzdata libcc1-0 ' +
    'media-types libc-dev-bin linux-base'
  ).split(' '),
);

const NOT_NEEDED = /^\/usr\/share\/(doc|man|locale|info|lintian|bug)\/|\/(lto1|lto-dump|g\+\+-mapper-server)$/;

/**
 * Returns a package with the programs of Debian packages that are installed here, and of what they depend on: real compilers and
 * servers in a moment, without a download.
 */
export async function hostPackages(name: string, seeds: readonly string[]): Promise<MiniRecipe> {
  const files = new Map<string, MiniFile>();
  for (const listed of [...closure(seeds)].sort().flatMap(filesOf)) {
    if (NOT_NEEDED.test(listed)) continue;
    const status = await lstat(listed).catch(() => undefined);
    if (status === undefined || status.isDirectory() || /[^\w./+~-]/.test(listed)) continue;
    const path = merged(listed);
    if (status.isSymbolicLink()) files.set(path, { path, link: await targetOf(listed) });
    else files.set(path, { path, from: listed, mode: (status.mode & 0o7777).toString(8) });
  }
  const all = [...files.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
  return { name, version: '1', release: '1', arch: 'x86_64', requires: ['filesystem'], files: all };
}

/** Debian's links below /etc/alternatives are made by a script: what they lead to is taken instead. */
async function targetOf(link: string): Promise<string> {
  const target = await readlink(link);
  return target.startsWith('/etc/alternatives/') ? realpath(link) : target;
}

/** Where /bin and its like are links into /usr. */
const merged = (path: string): string => path.replace(/^\/(bin|sbin|lib|lib64)\//, '/usr/$1/');

function closure(seeds: readonly string[]): ReadonlySet<string> {
  const depends = installed();
  const found = new Set<string>();
  const pending = [...seeds];
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    const needs = depends.get(name);
    if (needs === undefined || LEFT_OUT.has(name) || found.has(name)) continue;
    found.add(name);
    pending.push(...needs);
  }
  return found;
}

/** Names of what each installed package depends on; of alternatives the first. */
function installed(): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, readonly string[]>();
  for (const block of readFileSync('/var/lib/dpkg/status', 'utf8').split('\n\n')) {
    const field = (key: string) => new RegExp(`^${key}: (.*)$`, 'm').exec(block)?.[1] ?? '';
    if (!field('Status').endsWith('installed')) continue;
    const needs = `${field('Depends')},${field('Pre-Depends')}`.split(',');
    found.set(
      field('Package'),
      needs.map((one) => /^[^ :(|]*/.exec(one.trim())?.[0] ?? ''),
    );
  }
  return found;
}

function filesOf(name: string): string[] {
  for (const file of [`${name}.list`, `${name}:amd64.list`]) {
    try {
      return readFileSync(`/var/lib/dpkg/info/${file}`, 'utf8')
        .split('\n')
        .filter((path) => path.startsWith('/'));
    } catch {
      // The other form of the name.
    }
  }
  return [];
}
