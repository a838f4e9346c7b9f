import { copyFile, lstat, readdir, rename, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { NightlyError } from '../../base/errors.ts';
import { makeFolder } from '../../base/files.ts';
import { followInRoot } from '../../base/paths-in-root.ts';
import type { Task } from '../../base/task.ts';
import { bytesInTree, kindOf, namesIn, readInTree, replaceInTree } from '../../base/tree-files.ts';
import { deploy, initSysroot, pullIntoSysroot, setRepoConfig } from '../../programs/ostree-admin.ts';
import type { ImageSource } from '../image.ts';
import { rewriteFile, withLines } from '../own-file.ts';
import type { BootLoader } from './bootloader.ts';

export interface SysrootRequest {
  readonly sysroot: string;
  readonly source: ImageSource;
  readonly loader: BootLoader;
  readonly bootUuid: string;
  readonly rootUuid: string;
  /** Beside `root=` and what ostree adds. */
  readonly kernelArguments: readonly string[];
}

/**
 * Makes a sysroot with the commit deployed, as it will lie on the disk: `/boot`, and `/ostree` with the deployment. The
 * static grub.cfg is left empty: it differs between image types.
 * @returns the deployment's root folder, relative to the sysroot.
 */
export async function makeSysroot(request: SysrootRequest, task: Task): Promise<string> {
  const { sysroot, source, loader } = request;
  const repo = join(sysroot, 'ostree/repo');
  await makeFolder(sysroot);
  await initSysroot(sysroot, source.osName, task);
  if (loader.ostreeBackend !== undefined) {
    await setRepoConfig(repo, 'sysroot', 'bootloader', loader.ostreeBackend, task);
  }
  await pullIntoSysroot(
    { sysroot, repo: source.repo, commit: source.commit, remote: source.remote.name, ref: source.ref },
    task,
  );
  // Before the deployment: that this file exists tells ostree which backend writes the boot menu.
  const configDir = join(sysroot, 'boot', loader.configDir);
  await makeFolder(configDir);
  await writeFile(join(configDir, 'grub.cfg'), '');
  await deploy(
    {
      sysroot,
      osName: source.osName,
      refspec: `${source.remote.name}:${source.ref}`,
      kernelArguments: [`root=UUID=${request.rootUuid}`, 'rw', ...request.kernelArguments],
      env: loader.deployEnv,
    },
    task,
  );
  const relative = join('ostree/deploy', source.osName, 'deploy', `${source.commit}.0`);
  const deployment = join(sysroot, relative);
  await mountBoot(deployment, request.bootUuid, task);
  await configureRemote(deployment, repo, source.remote, task);
  await removeTraces(repo);
  await setObjectTimes(join(repo, 'objects'), source.timestamp);
  return relative;
}

/**
 * Adds /boot to the file system table. It is on the disk that the root is on, which dracut waits for without an end; by itself
 * systemd gives /boot 90 s, and a machine that is slow to start comes up in emergency mode. Of several lines for /boot systemd takes the
 * first, so those that the tree brings, which know nothing of this disk, become comments.
 */
async function mountBoot(deployment: string, bootUuid: string, task: Task): Promise<void> {
  const fstab = followInRoot(deployment, '/etc/fstab');
  const line = `UUID=${bootUuid} /boot ext4 defaults,x-systemd.device-timeout=0 0 2\n`;
  const before = await bytesInTree(fstab);
  if (before === undefined) return await replaceInTree(fstab, line);
  // As bytes: what is not UTF-8 in it stays as it is.
  const text = before.toString('latin1');
  const others = text.replace(/^[ \t]*[^#\s]\S*[ \t]+\/boot\/*[ \t\r].*$/gm, (own) => `# ${own}`);
  if (others !== text) task.say("The tree's /etc/fstab has /boot on another file system: that line is switched off.");
  // It may be a hard link to the repository.
  await rewriteFile(fstab, withLines(Buffer.from(others, 'latin1'), line));
}

/**
 * The remote hosts follow is the tree's own when a package in it owns one (with its keys); otherwise it is written to
 * the sysroot, with the keys of a stream that signs (I2).
 * @throws NightlyError `image` when the stream signs, and the tree's own remote has hosts check nothing.
 */
async function configureRemote(
  deployment: string,
  repo: string,
  remote: ImageSource['remote'],
  task: Task,
): Promise<void> {
  const own = await remoteInTree(deployment, remote.name);
  if (own === undefined) {
    const group = `remote "${remote.name}"`;
    await setRepoConfig(repo, group, 'url', remote.url, task);
    await setRepoConfig(repo, group, 'gpg-verify', String(remote.keys !== undefined), task);
    if (remote.keys) {
      await setRepoConfig(repo, group, 'gpg-verify-summary', 'true', task);
      await writeFile(join(repo, `${remote.name}.trustedkeys.gpg`), remote.keys);
    }
    const how = remote.keys ? "and verify it with the stream's key" : 'without signature checks';
    task.say(`The tree has no remote ${remote.name}: hosts follow ${remote.url} ${how}.`);
    return;
  }
  const off = CHECKS.filter((check) => own[check] === 'false' || own[check] === '0');
  if (remote.keys && off.length > 0) {
    throw new NightlyError('image', `The tree's own remote ${remote.name} has ${off.join(' and ')} switched off.`, {
      hint: 'The stream signs, so hosts must verify: have the package with that remote say "true", or leave the remote out of the tree.',
    });
  }
  const url = own['url'] ?? '';
  if (url.replace(/\/+$/, '') !== remote.url.replace(/\/+$/, '')) {
    task.say(`The tree's own remote ${remote.name} points to ${url}, not to ${remote.url}: hosts follow the tree's.`);
  }
}

/** What a remote's section has that decides whether hosts verify; on unless it says otherwise for the first. */
const CHECKS = ['gpg-verify', 'gpg-verify-summary'] as const;

/** Returns the keys of a remote that the tree brings, or undefined when no file of its own names it with a URL. */
async function remoteInTree(deployment: string, name: string): Promise<Readonly<Record<string, string>> | undefined> {
  const inTree = (path: string) => followInRoot(deployment, path);
  const folder = '/etc/ostree/remotes.d';
  for (const file of (await namesIn(inTree(folder))).filter((entry) => entry.endsWith('.conf'))) {
    const path = inTree(`${folder}/${file}`);
    if ((await kindOf(path)) !== 'file') continue;
    let group = '';
    const keys: Record<string, string> = {};
    for (const line of ((await readInTree(path)) ?? '').split('\n')) {
      group = /^\[(.*)\]\s*$/.exec(line)?.[1] ?? group;
      const [, key, value] = /^\s*([\w-]+)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
      if (group === `remote "${name}"` && key !== undefined && value !== undefined) keys[key] = value;
    }
    if (keys['url'] !== undefined) return keys;
  }
  return undefined;
}

/**
 * Gives all objects but files of the tree one time. They have that at which the repository here got them: with an earlier build, or with a pull
 * of somebody who makes the same image again. Those that are links to that repository are copied first.
 */
async function setObjectTimes(objects: string, timestamp: number): Promise<void> {
  for (const folder of await readdir(objects)) {
    for (const name of await readdir(join(objects, folder))) {
      if (name.endsWith('.file')) continue;
      const path = join(objects, folder, name);
      if ((await lstat(path)).nlink > 1) {
        await copyFile(path, `${path}.new`);
        await rename(`${path}.new`, path);
      }
      await utimes(path, timestamp, timestamp);
    }
  }
}

/** ostree names its staging folder after the build host's boot id. */
async function removeTraces(repo: string): Promise<void> {
  for (const entry of await readdir(join(repo, 'tmp'))) {
    await rm(join(repo, 'tmp', entry), { recursive: true, force: true });
  }
  await rm(join(repo, '.lock'), { force: true });
}
