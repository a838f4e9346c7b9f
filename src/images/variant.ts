import { mkdir, readdir, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { resolveInRoot } from '../base/paths-in-root.ts';
import { blscfgWord, grubWord } from '../base/quoting.ts';
import type { Task } from '../base/task.ts';
import { linkInTree, replaceInTree } from '../base/tree-files.ts';
import { linkTree } from '../programs/cp.ts';
import { removeTree } from '../programs/rm.ts';
import { refuseVariables } from './disk/bootloader.ts';
import type { ImageRequest } from './image.ts';
import { addUser, type Place } from './image-accounts.ts';
import { type Base, KERNEL_ARGUMENTS_TOKEN } from './image-base.ts';
import { addToFile } from './own-file.ts';
import { templateFile } from './template/image-template.ts';
import { renderTemplate } from './template/render-template.ts';

/** The trees of one image's partitions. */
export interface Variant {
  readonly root: string;
  readonly boot: string;
  /** Absolute path of the deployment's root folder. */
  readonly deployment: string;
}

/**
 * Makes the trees of one image out of the shared sysroot: linked, then changed as the image type's template says.
 * @throws NightlyError `image` when a file that is to be added to is not there.
 */
export async function makeVariant(base: Base, request: ImageRequest, folder: string, task: Task): Promise<Variant> {
  const { template } = request;
  const root = join(folder, 'root');
  const boot = join(folder, 'boot');
  await removeTree(root, task);
  await removeTree(boot, task);
  await linkTree(base.sysroot, root, task);
  await rename(join(root, 'boot'), boot);
  await mkdir(join(root, 'boot'));
  const deployment = join(root, base.deployment);
  await writeBootMenu(base, request, boot);
  // Where a path of the running host lies on the disk.
  const elsewhere = { var: join(root, 'ostree/deploy', request.osName, 'var'), boot };
  const place: Place = (path, lastLink = 'keep') => resolveInRoot(deployment, path, { lastLink, elsewhere });
  for (const user of template.users) await addUser(user, place);
  for (const unit of template['mask-units']) await linkInTree(place(`/etc/systemd/system/${unit}`), '/dev/null');
  for (const file of template.files) {
    const { source, content, append, mode, path } = file;
    const text = source === undefined ? (content ?? '') : await templateFile(template, source, request.values);
    if (append) await addToFile(place(path, 'follow'), text, path);
    else await replaceInTree(place(path), text, Number.parseInt(mode, 8));
  }
  return { root, boot, deployment };
}

const asItIs = (text: string): string => text;

/** Puts the type's kernel arguments and menu settings into what ostree and the templates of the boot loader wrote. */
async function writeBootMenu(base: Base, { template }: ImageRequest, boot: string): Promise<void> {
  const { loader, bootUuid } = base;
  const menu = template['boot-menu'];
  const values = { bootUuid, timeoutSeconds: menu.timeout, serialSpeed: menu['serial-speed'] };
  await replaceInTree(join(boot, loader.configDir, 'grub.cfg'), await renderTemplate(loader.template, values), 0o644);
  const written = (await readdir(boot, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile() && /^(grub\.cfg|.*\.conf)$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name));
  for (const path of written) {
    const text = await readFile(path, 'utf8');
    if (!text.includes(KERNEL_ARGUMENTS_TOKEN)) continue;
    const word = path.endsWith('.cfg') ? grubWord : loader.name === 'grub-blscfg' ? blscfgWord : asItIs;
    refuseVariables(loader, template['kernel-arguments']);
    const words = template['kernel-arguments'].map(word).join(' ');
    const changed = text.replaceAll(KERNEL_ARGUMENTS_TOKEN, () => words);
    await replaceInTree(path, changed, 0o644);
  }
}
