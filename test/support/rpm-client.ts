import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../../src/programs/exec.ts';

/**
 * Installs packages with dnf into a fresh root, from one repository, with the signatures of packages and of the repository's
 * metadata checked against that key alone. Gives the root, and what dnf said when it refused.
 */
export async function dnfInstall(
  dir: string,
  repository: { readonly url: string; readonly key: string },
  ...packages: readonly string[]
): Promise<Ran & { readonly root: string }> {
  const root = join(dir, `root-${Math.random().toString(36).slice(2, 8)}`);
  for (const name of ['repos', 'log']) await mkdir(join(root, name), { recursive: true });
  const { url, key } = repository;
  const lines = ['[sig]', 'name=SIG', `baseurl=${url}`, 'gpgcheck=1', 'repo_gpgcheck=1', `gpgkey=file://${key}`];
  await writeFile(join(root, 'repos/sig.repo'), `${lines.join('\n')}\n`);
  await writeFile(join(root, 'dnf.conf'), '[main]\ninstall_weak_deps=0\nplugins=0\n');
  const options = [
    ...[`--config=${join(root, 'dnf.conf')}`, `--installroot=${root}`, `--setopt=cachedir=${join(root, 'cache')}`],
    ...[`--setopt=reposdir=${join(root, 'repos')}`, `--setopt=logdir=${join(root, 'log')}`, '--releasever=1'],
  ];
  const { exitCode, stdout, stderr } = await run('dnf', ['--assumeyes', ...options, 'install', ...packages], {
    okExitCodes: [0, 1],
    env: { HOME: root },
  });
  return { root, code: exitCode, words: stdout + stderr };
}

interface Ran {
  readonly code: number;
  readonly words: string;
}

/**
 * Runs a piece of shell as on a host whose /etc has what that root's has: `ostree` without --repo is then the host's own, with
 * the remotes of /etc/ostree/remotes.d and their key files.
 */
export async function asHost(root: string, shell: string): Promise<Ran> {
  const repo = join(root, 'ostree/repo');
  await mkdir(repo, { recursive: true });
  await run('ostree', ['init', `--repo=${repo}`, '--mode=bare']);
  return inside(root, `mount -t overlay overlay -o lowerdir=${join(root, 'etc')}:/etc etc`, shell);
}

/** The same on a sysroot, with the /etc of a deployment in it, which can be written to. @param deployment relative to the sysroot */
export async function onDeployment(sysroot: string, deployment: string, shell: string): Promise<Ran> {
  const etc = `mount --bind ${join(sysroot, deployment, 'etc')} etc`;
  return inside(sysroot, `${etc}; mkdir boot; mount --bind ${join(sysroot, 'boot')} boot`, shell);
}

/** With the programs of this machine, the ostree/ of a root as /ostree, and an /etc as said. */
async function inside(root: string, etc: string, shell: string): Promise<Ran> {
  const host = join(root, 'host');
  await mkdir(host, { recursive: true });
  const mounts = `
    mount -t tmpfs none ${host}
    cd ${host}
    mkdir -p usr etc ostree dev proc tmp var/tmp
    ln -s usr/bin usr/sbin usr/lib usr/lib64 .
    mount --rbind /usr usr
    ${etc}
    mount --bind ${join(root, 'ostree')} ostree
    mount --rbind /dev dev
    mount --rbind /proc proc`;
  const { exitCode, stdout, stderr } = await run(
    'unshare',
    ['--mount', 'sh', '-c', `set -e\n${mounts}\nexec chroot . sh -c "$1"`, 'sh', `set -e; ${shell}`],
    {
      okExitCodes: Array.from({ length: 256 }, (_, code) => code),
      // What is deployed can be removed like any folder.
      env: { OSTREE_SYSROOT_DEBUG: 'mutable-deployments' },
    },
  );
  return { code: exitCode, words: stdout + stderr };
}
