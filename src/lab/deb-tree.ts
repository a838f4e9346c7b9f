import { readdir, rename, rm, rmdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { NightlyError } from '../base/errors.ts';
import { makeFolder } from '../base/files.ts';
import { entryInRoot, followInRoot } from '../base/paths-in-root.ts';
import { copyInTree, folderInTree, kindOf, namesIn, readInTree, replaceInTree } from '../base/tree-files.ts';
import { extrasOf } from './lab-packages.ts';

/** Folders that on a host with a merged /usr are links into it. */
const MERGED = ['bin', 'sbin', 'lib', 'lib64'];

/** Only of use to Debian's own tools, or empty at boot. */
const DROPPED = [
  'run',
  'home',
  'var/run',
  'var/lock',
  'usr/share/lintian',
  'usr/share/bug',
  'usr/share/doc-base',
  // With a SysV script beside a unit, systemctl wants Debian's update-rc.d.
  'etc/init.d',
  'usr/lib/systemd/systemd-sysv-install',
];

/**
 * Turns the unpacked files of a .deb into what an RPM for an image-based host may own: everything below /usr and
 * /etc, nothing in /run and /home, and of /var only folders, which a compose turns into tmpfiles.d lines.
 */
export async function arrangeTree(root: string, name: string): Promise<void> {
  for (const folder of MERGED) await mergeFolder(entryInRoot(root, folder), entryInRoot(root, `usr/${folder}`), name);
  for (const folder of DROPPED) await rm(entryInRoot(root, folder), { recursive: true, force: true });
  await dropFiles(entryInRoot(root, 'var'));
  const { only, folders = [], copies = [] } = extrasOf(name);
  if (only !== undefined) await keepOnly(root, only);
  for (const folder of folders) await folderInTree(followInRoot(root, folder));
  for (const [from, to] of copies) {
    await copyInTree(followInRoot(root, from), entryInRoot(root, to));
  }
  if (name === 'ca-certificates') await bundleCertificates(root);
}

async function keepOnly(root: string, paths: readonly (readonly [from: string, to: string])[]): Promise<void> {
  const whole = `${root}.whole`;
  await rename(root, whole);
  for (const [from, to] of paths) {
    await makeFolder(dirname(entryInRoot(root, to)));
    await rename(entryInRoot(whole, from), entryInRoot(root, to));
  }
  await rm(whole, { recursive: true });
}

async function mergeFolder(from: string, to: string, name: string): Promise<void> {
  const [kind, there] = [await kindOf(from), await kindOf(to)];
  if (kind === undefined) return;
  // The link that a merged /usr has in its place.
  if (kind === 'link') return await rm(from);
  if (there !== undefined && there !== 'dir') {
    throw new NightlyError('unsupported', `The package ${name} has the folder ${from}, and ${to} is none.`, {
      hint: 'Leave this package out of the lab.',
    });
  }
  if (there === undefined) {
    await folderInTree(dirname(to));
    await rename(from, to);
    return;
  }
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const source = join(from, entry.name);
    const target = join(to, entry.name);
    if (entry.isDirectory()) await mergeFolder(source, target, name);
    else if (!(await kindOf(target))) await rename(source, target);
    // Packages made for both layouts ship /bin/x as a link to /usr/bin/x.
    else if (!entry.isSymbolicLink() && (await kindOf(target)) !== 'link') {
      throw new NightlyError('unsupported', `The package ${name} has both ${source} and ${target}.`, {
        hint: 'Leave this package out of the lab.',
      });
    } else if (entry.isSymbolicLink()) await rm(source);
    else await rename(source, target);
  }
  await rm(from, { recursive: true, force: true });
}

async function dropFiles(folder: string): Promise<void> {
  if ((await kindOf(folder)) !== 'dir') return;
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) await dropFiles(path);
    else await rm(path);
  }
}

/** What update-ca-certificates would write: all certificates in one file. */
async function bundleCertificates(root: string): Promise<void> {
  const folder = followInRoot(root, 'usr/share/ca-certificates/mozilla');
  const names = (await namesIn(folder)).filter((name) => name.endsWith('.crt'));
  const texts = await Promise.all(names.map((name) => readInTree(join(folder, name))));
  await replaceInTree(entryInRoot(root, 'etc/ssl/certs/ca-certificates.crt'), texts.join(''));
}

/** Moves a kernel's files from /boot to beside its modules, where OSTree hosts have them. @returns the kernel's release. */
export async function arrangeKernel(root: string): Promise<string | undefined> {
  const boot = entryInRoot(root, 'boot');
  const kernel = (await namesIn(boot)).find((name) => name.startsWith('vmlinuz-'));
  if (kernel === undefined) return undefined;
  const release = kernel.slice('vmlinuz-'.length);
  const modules = followInRoot(root, `usr/lib/modules/${release}`);
  await folderInTree(modules);
  for (const name of ['vmlinuz', 'config', 'System.map']) {
    if (await kindOf(join(boot, `${name}-${release}`)))
      await rename(join(boot, `${name}-${release}`), join(modules, name));
  }
  await rmdir(boot);
  return release;
}
