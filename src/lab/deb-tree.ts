import { copyFile, lstat, mkdir, readdir, readFile, readlink, rename, rm, rmdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { NightlyError } from '../base/errors.ts';
import { isErrno } from '../base/files.ts';
import { extrasOf } from './lab-packages.ts';
import { byText } from './order.ts';

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
  for (const folder of MERGED) await mergeFolder(join(root, folder), join(root, 'usr', folder), name);
  for (const folder of DROPPED) await rm(join(root, folder), { recursive: true, force: true });
  await dropFiles(join(root, 'var'));
  const { only, folders = [], copies = [] } = extrasOf(name);
  if (only !== undefined) await keepOnly(root, only);
  for (const folder of folders) await mkdir(join(root, folder), { recursive: true });
  for (const [from, to] of copies) {
    await mkdir(dirname(join(root, to)), { recursive: true });
    await copyFile(join(root, from), join(root, to));
  }
  if (name === 'ca-certificates') await bundleCertificates(root);
}

async function keepOnly(root: string, paths: readonly (readonly [from: string, to: string])[]): Promise<void> {
  const whole = `${root}.whole`;
  await rename(root, whole);
  for (const [from, to] of paths) {
    await mkdir(dirname(join(root, to)), { recursive: true });
    await rename(join(whole, from), join(root, to));
  }
  await rm(whole, { recursive: true });
}

async function mergeFolder(from: string, to: string, name: string): Promise<void> {
  if (!(await exists(from))) return;
  if (!(await exists(to))) {
    await mkdir(dirname(to), { recursive: true });
    await rename(from, to);
    return;
  }
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const source = join(from, entry.name);
    const target = join(to, entry.name);
    if (entry.isDirectory()) await mergeFolder(source, target, name);
    else if (!(await exists(target))) await rename(source, target);
    // Packages made for both layouts ship /bin/x as a link to /usr/bin/x.
    else if (!entry.isSymbolicLink() && !(await isLink(target))) {
      throw new NightlyError('unsupported', `The package ${name} has both ${source} and ${target}.`, {
        hint: 'Leave this package out of the lab.',
      });
    } else if (entry.isSymbolicLink()) await rm(source);
    else await rename(source, target);
  }
  await rm(from, { recursive: true, force: true });
}

async function dropFiles(folder: string): Promise<void> {
  if (!(await exists(folder))) return;
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) await dropFiles(path);
    else await rm(path);
  }
}

/** What update-ca-certificates would write: all certificates in one file. */
async function bundleCertificates(root: string): Promise<void> {
  const folder = join(root, 'usr/share/ca-certificates/mozilla');
  const names = (await readdir(folder)).filter((name) => name.endsWith('.crt')).sort(byText);
  const texts = await Promise.all(names.map((name) => readFile(join(folder, name), 'utf8')));
  await mkdir(join(root, 'etc/ssl/certs'), { recursive: true });
  await writeFile(join(root, 'etc/ssl/certs/ca-certificates.crt'), texts.join(''));
}

async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return false;
    throw error;
  }
}

async function isLink(path: string): Promise<boolean> {
  return readlink(path).then(
    () => true,
    () => false,
  );
}

/** Moves a kernel's files from /boot to beside its modules, where OSTree hosts have them. @returns the kernel's release. */
export async function arrangeKernel(root: string): Promise<string | undefined> {
  const boot = join(root, 'boot');
  if (!(await exists(boot))) return undefined;
  const kernel = (await readdir(boot)).find((name) => name.startsWith('vmlinuz-'));
  if (kernel === undefined) return undefined;
  const release = kernel.slice('vmlinuz-'.length);
  const modules = join(root, 'usr/lib/modules', release);
  for (const name of ['vmlinuz', 'config', 'System.map']) {
    if (await exists(join(boot, `${name}-${release}`)))
      await rename(join(boot, `${name}-${release}`), join(modules, name));
  }
  await rmdir(boot);
  return release;
}
